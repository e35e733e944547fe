"""A broker behind TLS: those who send, those who work and Flower verify who answers."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flower.utils.broker import Broker
from kombu.exceptions import OperationalError

from spikemill.services.cli.local.engine import Address
from spikemill.services.common.settings import settings
from spikemill.services.common.worker.app import create_app
from spikemill.services.common.worker.kinds import Queue
from tests.integration.celery_workers import broker
from tests.servers.tls.certificates import MISSING, Issued, issue
from tests.servers.tls.front import tls_front

pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))

VERIFIED = "?ssl_cert_reqs=required&ssl_ca_certs={}"


@pytest.fixture
def issued(tmp_path: Path) -> Issued:
    return issue(tmp_path / "ours")


@pytest.fixture
def port(servers: Address, issued: Issued) -> Iterator[int]:
    """Give the port at which the broker speaks TLS."""
    with tls_front(issued.server, Path(urlsplit(servers.broker_url).path)) as port:
        yield port


def use(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("SPIKEMILL_BROKER_URL", url)
    settings.cache_clear()


def waiting(queue: Queue) -> int:
    """Return how many messages wait, by the broker itself."""
    with create_app() as app:
        length: int = broker(app, "llen", queue.value)
        return length


def send() -> None:
    """Send a message, and try no second time."""
    with create_app() as app:
        app.send_task("spikemill.plan", args=[1], queue=Queue.PLAN.value, retry=False)


def flower_counts() -> int:
    """Return how many messages wait, by Flower."""
    with create_app() as app:
        asked = Broker(app.conf.broker_url, broker_use_ssl=app.conf.broker_use_ssl)
        [found] = asyncio.run(asked.queues([Queue.PLAN.value]))
        messages: int = found["messages"]
        return messages


def test_message_travels_to_a_broker_that_is_verified(
    port: int, issued: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, f"rediss://127.0.0.1:{port}/0{VERIFIED.format(issued.authority)}")
    before = waiting(Queue.PLAN)
    send()
    assert waiting(Queue.PLAN) == before + 1
    assert flower_counts() == before + 1


@pytest.mark.parametrize("query", ["", VERIFIED.format("{other}")])
def test_broker_that_cannot_be_verified_is_told_nothing(
    port: int, tmp_path: Path, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = issue(tmp_path / "other").authority
    use(monkeypatch, f"rediss://127.0.0.1:{port}/0{query.format(other=other)}")
    with pytest.raises(OperationalError, match="CERTIFICATE_VERIFY_FAILED"):
        send()


def test_broker_of_another_name_is_told_nothing(
    port: int, issued: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, f"rediss://localhost:{port}/0{VERIFIED.format(issued.authority)}")
    with pytest.raises(OperationalError, match="Hostname mismatch"):
        send()
