"""`spikemill queue`: a deployment is told where on the hub its pile is wanted."""

import pytest

from spikemill.services.cli.commands import queue
from spikemill.services.common.database import transaction
from spikemill.services.common.hub_target import HubTarget
from spikemill.services.common.ledger import pushes
from spikemill.services.common.models import Release
from spikemill.services.common.settings import settings
from tests.integration import ledgers


@pytest.fixture(autouse=True)
def _hub(ledger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the person who queues use a hub of the lab."""
    assert ledger
    monkeypatch.setenv("HF_ENDPOINT", "http://hub")
    monkeypatch.delenv("SPIKEMILL_STORE", raising=False)
    settings.cache_clear()


def wanted_at() -> HubTarget | None:
    """Return where the release of the one open build is wanted."""
    [build] = ledgers.open_builds()
    with transaction() as ledger:
        return pushes.target_of(ledger.get_one(Release, ledgers.status(build).release))


def test_a_deployment_pushes_where_its_settings_say_unless_the_call_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SPIKEMILL_PUSH_TO", "lab/usual")
    settings.cache_clear()
    queue(["demo-probes"], catalog="demo")
    assert wanted_at() == HubTarget("lab/usual", endpoint="http://hub")
    queue(["demo-visual"], catalog="demo", push="lab/other", public=True, revision="next")
    assert wanted_at() == HubTarget("lab/other", "next", private=False, endpoint="http://hub")


def test_a_call_that_says_nothing_of_a_push_wants_none() -> None:
    queue(["demo-probes"], catalog="demo", push="lab/pile")
    queue(["demo-visual"], catalog="demo")
    assert wanted_at() is None


def test_a_pile_that_stands_is_said_to_be_pushed(capsys: pytest.CaptureFixture[str]) -> None:
    queue(["demo-probes"], catalog="demo")
    ledgers.plan(ledgers.listing("demo-probes", 1))
    ledgers.complete()
    ledgers.publish()
    capsys.readouterr()
    queue(["demo-probes"], catalog="demo", push="lab/pile")
    assert capsys.readouterr().out.endswith("of demo: the pile stands; its push to lab/pile is queued.\n")
    ledgers.push()
    queue(["demo-probes"], catalog="demo", push="lab/pile")
    assert capsys.readouterr().out.endswith("of demo: the pile stands; its push to lab/pile is queued.\n")
