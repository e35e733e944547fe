"""What Prometheus is told of a real ledger by a real sweeper."""

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import psycopg
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from spikemill.services.common.database import transaction
from spikemill.services.common.errors import CallError, NetworkError
from spikemill.services.common.ledger.recordings import count_transfer
from spikemill.services.common.models import JobKind, JobState
from spikemill.services.common.settings import settings
from spikemill.services.common.worker.kinds import Queue
from spikemill.services.sweeper.metrics import serve_metrics
from tests.integration import ledgers
from tests.integration.celery_workers import until

_ADDRESS = re.compile(r"metrics at (http://\S+)")
Families = Mapping[str, Metric]


@contextmanager
def served() -> Iterator[str]:
    """Serve the metrics of this process's ledger, and give their address."""
    server = serve_metrics("127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()


def scrape(address: str) -> Families:
    """Take the metrics as Prometheus does."""
    with urlopen(address, timeout=60) as answer:  # noqa: S310 - an address of this test
        return {family.name: family for family in text_string_to_metric_families(answer.read().decode())}


def values(families: Families, name: str) -> dict[tuple[str, ...], float]:
    """Return the values of a metric that are not zero, by its labels."""
    return {
        tuple(sample.labels.values()): sample.value
        for sample in families[name].samples
        if sample.value and not sample.name.endswith("_created")
    }


def half_a_build() -> None:
    """Bring a build of three sessions to where one is done, one is being copied, and a copy failed."""
    ledgers.ask("a")
    ledgers.plan(ledgers.listing("a", 3, assets=2))
    ledgers.sweep_once()
    first, second, *_ = ledgers.ready(JobKind.FETCH)
    ledgers.fetch_one(first.id)
    ledgers.fetch_one(second.id)
    ledgers.sweep_once()
    ledgers.bin_one(ledgers.one_ready(JobKind.BIN).id)
    running, failing, *_ = ledgers.ready(JobKind.FETCH)
    ledgers.claim(running.id)
    ledgers.fail(ledgers.claim(failing.id), NetworkError("Away."))
    with transaction() as ledger:
        count_transfer(ledger, 1, arrived=700, requests=0)
        count_transfer(ledger, 4, arrived=50, requests=3)


def test_jobs_queues_sources_attempts_and_bytes_are_those_of_the_ledger() -> None:
    half_a_build()
    with served() as address:
        told = scrape(address)
    assert values(told, "spikemill_ledger_up") == {(): 1}
    assert values(told, "spikemill_jobs") == {
        ("plan", "done"): 1,
        ("fetch", "done"): 2,
        ("fetch", "running"): 1,
        ("fetch", "ready"): 3,
        ("bin", "done"): 1,
        ("bin", "blocked"): 2,
    }
    assert values(told, "spikemill_sessions") == {("pile", "a", "done"): 1, ("pile", "a", "fetching"): 2}
    assert values(told, "spikemill_tokens") == {("pile", "a"): 20}
    assert values(told, "spikemill_attempts") == {
        ("plan", "done"): 1,
        ("fetch", "done"): 2,
        ("fetch", "failed"): 1,
        ("bin", "done"): 1,
    }
    assert values(told, "spikemill_fetched_bytes") == {("a",): 750}
    assert values(told, "spikemill_part_requests") == {("a",): 3}


def test_a_queue_tells_what_could_run_now_what_runs_and_how_long_the_oldest_has_waited() -> None:
    half_a_build()
    with served() as address:
        told = scrape(address)
        # One of the three that are ready failed, and waits for its next try.
        assert values(told, "spikemill_queue_ready_jobs") == {("fetch",): 2}
        assert values(told, "spikemill_queue_running_jobs") == {("fetch",): 1}
        before = values(told, "spikemill_queue_oldest_ready_seconds")
        [oldest] = before.values()
        assert 0 < oldest < 600
        with transaction() as ledger:
            ledger.execute(
                text("UPDATE jobs SET not_before = not_before - interval '1 hour' WHERE state = 'ready'")
            )
        [older] = values(scrape(address), "spikemill_queue_oldest_ready_seconds").values()
        assert older > 3600
    assert {sample.labels["queue"] for sample in told["spikemill_queue_ready_jobs"].samples} == set(Queue)


def test_what_became_ready_late_has_not_waited_since_it_was_planned() -> None:
    ledgers.ask("a")
    ledgers.plan(ledgers.listing("a", 1))
    for job in (*ledgers.jobs(JobKind.FETCH), *ledgers.jobs(JobKind.BIN)):
        ledgers.set_job(job.id, not_before=text("clock_timestamp() - interval '1 day'"))
    ledgers.sweep_once()
    ledgers.fetch_all()
    ledgers.sweep_once()
    assert ledgers.jobs(JobKind.BIN, JobState.READY)
    with served() as address:
        [waited] = values(scrape(address), "spikemill_queue_oldest_ready_seconds").values()
    assert waited < 3600


def test_what_nobody_waits_for_is_no_reason_to_scale() -> None:
    ledgers.ask("a")
    ledgers.ask("b")
    assert len(ledgers.jobs(JobKind.PLAN, JobState.READY)) == 2
    with served() as address:
        assert values(scrape(address), "spikemill_queue_ready_jobs") == {("plan",): 1}


def test_names_and_texts_follow_the_conventions() -> None:
    half_a_build()
    with served() as address:
        told = scrape(address)
    for name, family in told.items():
        assert name.startswith("spikemill_")
        assert family.documentation, name
        assert family.type in {"gauge", "counter"}, name
        written = {sample.name for sample in family.samples}
        assert written == ({f"{name}_total"} if family.type == "counter" else {name})


def test_a_scrape_waits_for_no_round_and_a_round_for_no_scrape(ledger: str) -> None:
    ledgers.ask("a")
    with served() as address, psycopg.connect(ledger) as other:
        # What a round may hold at its strictest.
        other.execute("SELECT * FROM jobs, sessions, ledger_mark FOR UPDATE")
        other.execute("UPDATE jobs SET sent_at = clock_timestamp()")
        assert values(scrape(address), "spikemill_jobs") == {("plan", "ready"): 1}
        other.rollback()


def test_while_postgres_is_away_that_is_what_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with served() as address:
        monkeypatch.setenv("SPIKEMILL_DATABASE_URL", f"postgresql:///none?host={tmp_path}")
        settings.cache_clear()
        told = scrape(address)
    assert [sample.value for sample in told["spikemill_ledger_up"].samples] == [0]
    assert "spikemill_jobs" not in told


def test_a_port_that_is_taken_is_named_with_the_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(CallError, match=f"127.0.0.1:{port}: .* set SPIKEMILL_METRICS_ADDRESS and"):
            serve_metrics("127.0.0.1", port)


@pytest.mark.usefixtures("app")
def test_a_sweeper_serves_them_where_a_port_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIKEMILL_METRICS_PORT", "0")
    log = tmp_path / "log"
    with log.open("wb") as output:
        sweeper = subprocess.Popen([sys.executable, "-m", "spikemill.services.sweeper"], stderr=output)
    try:
        until(lambda: _ADDRESS.search(log.read_text()) or sweeper.poll() is not None)
        found = _ADDRESS.search(log.read_text())
        assert found, log.read_text()

        def last_round() -> float:
            return sum(values(scrape(found[1]), "spikemill_sweeper_last_round_timestamp_seconds").values())

        until(last_round)
        assert abs(last_round() - time.time()) < 600
        before = last_round()
        until(lambda: last_round() > before)
    finally:
        sweeper.terminate()
        sweeper.wait()
