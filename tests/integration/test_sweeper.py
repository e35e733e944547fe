"""Rounds of the sweeper with a real broker, and a real worker that is treated badly."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from sqlalchemy import select, text

from spikemill.services.common.database import engine, transaction
from spikemill.services.common.models import JobKind, JobState, LedgerMark, Outcome
from spikemill.services.common.settings import settings
from spikemill.services.common.worker.app import create_app
from spikemill.services.common.worker.kinds import Queue
from spikemill.services.sweeper.__main__ import Sweeper
from tests.integration import ledgers
from tests.integration.celery_workers import broker, until, worker

_LOCK = text("SELECT pg_advisory_lock(hashtext('spikemill.sweeper'))")


def messages(app: Celery) -> dict[str, list[str]]:
    """Take all messages out of the queues: the jobs that they name, with their tasks."""
    found = {}
    for queue in Queue:
        waiting = [json.loads(message) for message in broker(app, "lrange", queue.value, 0, -1)]
        broker(app, "delete", queue.value)
        if waiting:
            found[queue.value] = [_text_of(message) for message in reversed(waiting)]
    return found


def _text_of(message: dict[str, Any]) -> str:
    (job,), *_ = json.loads(base64.b64decode(message["body"]))
    return f"{message['headers']['task'].removeprefix('spikemill.')} {job}"


def names(kind: JobKind) -> list[str]:
    return [f"{kind.value} {job.id}" for job in ledgers.ready(kind)]


def test_messages_arrive_in_the_queues_of_their_kinds(app: Celery) -> None:
    sweeper = Sweeper(app)
    ledgers.ask(sources=[ledgers.source("a"), ledgers.source("b", fetch="stream")])
    sweeper.round()
    assert messages(app) == {"plan": names(JobKind.PLAN)}
    ledgers.plan(ledgers.listing("a", 2), ledgers.plan_of("a"))
    sweeper.round()
    assert messages(app) == {"fetch": names(JobKind.FETCH)}
    ledgers.fetch_all()
    sweeper.round()
    assert messages(app) == {"bin": names(JobKind.BIN)}
    ledgers.bin_all()
    ledgers.plan(ledgers.listing("b", 1), ledgers.plan_of("b"))
    sweeper.round()
    assert messages(app) == {"bin-stream": names(JobKind.STREAM)}
    ledgers.stream_all()
    sweeper.round()
    assert messages(app) == {"merge": names(JobKind.FREEZE)}
    ledgers.freeze(shards=2)
    sweeper.round()
    assert messages(app) == {"merge": names(JobKind.SHARD)}
    ledgers.write_shards()
    sweeper.round()
    assert messages(app) == {"merge": names(JobKind.ASSEMBLE)}


def test_a_message_is_sent_once_while_it_waits(app: Celery) -> None:
    sweeper = Sweeper(app)
    ledgers.ask("a", "b")
    for _ in range(3):
        sweeper.round()
    assert messages(app) == {"plan": names(JobKind.PLAN)}


def test_a_flushed_broker_gets_everything_again(app: Celery) -> None:
    sweeper = Sweeper(app)
    ledgers.ask(*[f"source-{number}" for number in range(12)])
    sweeper.round()
    assert broker(app, "llen", "plan") == 12
    broker(app, "flushall")
    sweeper.round()
    assert messages(app) == {"plan": names(JobKind.PLAN)}


def test_a_broker_that_is_away_loses_nothing(
    app: Celery, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ledgers.ask("a")
    with monkeypatch.context() as away:
        away.setenv("SPIKEMILL_BROKER_URL", f"redis+socket://{tmp_path}/none.socket")
        settings.cache_clear()
        Sweeper(create_app()).round()
    settings.cache_clear()
    assert ledgers.only(JobKind.PLAN).sent_at is None
    Sweeper(app).round()
    assert messages(app) == {"plan": names(JobKind.PLAN)}


@contextmanager
def running(app: Celery) -> Iterator[Sweeper]:
    """Let a sweeper run beside the test."""
    sweeper = Sweeper(app)
    thread = threading.Thread(target=sweeper.run)
    thread.start()
    try:
        yield sweeper
    finally:
        sweeper.stop()
        thread.join()


def swept() -> object:
    with transaction() as ledger:
        return ledger.scalars(select(LedgerMark.heartbeat_at)).one()


def test_of_two_sweepers_one_works_and_the_other_takes_over(app: Celery) -> None:
    with engine().connect() as first:
        first.execute(_LOCK)
        with running(app):
            until(lambda: _sweepers() == 2)
            assert swept() is None
            first.invalidate()
            until(swept)


def _sweepers() -> int:
    """Return how many hold the sweepers' lock or have asked for it."""
    statement = text("""
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND query ILIKE '%advisory_lock(hashtext(''spikemill.sweeper%'
        AND pid <> pg_backend_pid()
    """)
    with transaction() as ledger:
        return int(ledger.scalars(statement).one())


def test_a_sweeper_that_loses_postgres_goes_on(app: Celery) -> None:
    with running(app):
        until(swept)
        with transaction() as ledger:
            ledger.execute(
                text("""
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()
                """)
            )
        before = swept()
        until(lambda: swept() != before)


def test_a_worker_survives_its_jobs_and_the_ledger_knows_what_became_of_them(
    app: Celery, tmp_path: Path
) -> None:
    how = {"network": 2, "memory": 1, "defect": 9, "killed": 1, "fine": 0}
    ledgers.ask(
        sources=[replace(ledgers.source(name), config={"failures": times}) for name, times in how.items()]
    )
    log = tmp_path / "worker.log"
    with running(app), worker(log) as process:
        until(
            lambda: (
                not ledgers.jobs(JobKind.PLAN, JobState.READY) + ledgers.jobs(JobKind.PLAN, JobState.RUNNING)
            )
        )
        assert process.poll() is None
    by_name = {
        source.name: job for source, job in zip(ledgers.sources(), ledgers.jobs(JobKind.PLAN), strict=True)
    }
    said = {name: (job.state, ledgers.outcomes(job.id)) for name, job in by_name.items()}
    failed, vanished, done = Outcome.FAILED, Outcome.VANISHED, Outcome.DONE
    assert said == {
        "network": (JobState.DONE, [failed, failed, done]),
        "memory": (JobState.DONE, [failed, done]),
        "defect": (JobState.DEAD, [failed, failed]),
        "killed": (JobState.DONE, [vanished, done]),
        "fine": (JobState.DONE, [done]),
    }
    assert log.read_text().count("retry: Retry in") == 2
