"""How a task does a job: whatever happens, the ledger knows, and nothing but a network failure leaves it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from time import monotonic, sleep
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery, Task
from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from spikemill.services.common.database import engine, transaction
from spikemill.services.common.errors import (
    DamagedDownloadError,
    NetworkError,
    RecordingError,
    SupersededError,
)
from spikemill.services.common.ledger import dispatch
from spikemill.services.common.ledger.jobs import Claim, Result
from spikemill.services.common.models import BuildState, Job, JobKind, JobState, Outcome, ReleaseState
from spikemill.services.common.settings import settings
from spikemill.services.common.worker.app import create_app
from spikemill.services.common.worker.runner import NETWORK_RETRIES, Handler, Heartbeat, run_job
from tests.integration import ledgers

CRASHES = Path(__file__).with_name("crash_program.py")
_TERMINATE_SELF = text("SELECT pg_terminate_backend(pg_backend_pid())")
_TERMINATE_OTHERS = text("""
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
""")


@pytest.fixture
def job() -> int:
    ledgers.ask("a")
    return ledgers.only(JobKind.PLAN).id


@pytest.fixture
def app(ledger: str) -> Celery:
    assert ledger
    return create_app()


def task_of(app: Celery, handler: Handler) -> Task:
    """Make a task that performs jobs with a handler."""

    @app.task(name=f"spikemill.{uuid4().hex}", **NETWORK_RETRIES)
    def probe(task: Task, job_id: int) -> None:
        run_job(task, job_id, handler)

    made: Task = probe
    return made


def run(app: Celery, job: int, handler: Handler, *, retries: int = 0) -> Any:
    """Let a task run as Celery would, its own retries at once; return how it ended for Celery."""
    return task_of(app, handler).apply(args=(job,), retries=retries).state


def failing(error: BaseException) -> Handler:
    def handler(_claim: Claim, _heartbeat: Heartbeat) -> Result:
        raise error

    return handler


def succeed(_claim: Claim, _heartbeat: Heartbeat) -> Result:
    return Result({"ok": True}, lambda _: None)


def until(happens: Callable[[], object]) -> None:
    """Wait for something that is bound to happen."""
    deadline = monotonic() + 60
    while not happens():
        assert monotonic() < deadline, "it did not happen"
        sleep(0.02)


def waits(job: int) -> float:
    """Return in how many seconds the job may run."""
    with transaction() as ledger:
        pause = select(func.extract("epoch", Job.not_before - func.clock_timestamp())).where(Job.id == job)
        return float(ledger.scalars(pause).one())


def test_a_job_is_done_and_what_follows_comes_after_that(app: Celery, job: int) -> None:
    seen = []

    def handler(_claim: Claim, _heartbeat: Heartbeat) -> Result:
        return Result({"a": 1}, lambda _: None, afterwards=lambda: seen.append(ledgers.job(job).state))

    assert run(app, job, handler) == "SUCCESS"
    assert seen == [JobState.DONE]
    assert ledgers.job(job).output == {"a": 1}


def test_a_job_that_is_not_to_be_done_is_left_alone(app: Celery, job: int) -> None:
    ledgers.claim(job)
    assert run(app, job, failing(AssertionError("it was run"))) == "SUCCESS"
    assert ledgers.job(job).attempt == 1


def test_a_network_failure_is_given_back_and_leaves_the_task(app: Celery, job: int) -> None:
    with pytest.raises(NetworkError, match="Away"):
        task_of(app, failing(NetworkError("Away.")))(job)
    given_back = ledgers.job(job)
    assert (given_back.state, given_back.failures, given_back.error) == (JobState.READY, 1, "Away.")
    assert given_back.celery_retry_until is not None
    assert ledgers.outcomes(job) == [Outcome.FAILED]


def test_an_archive_that_answers_the_third_time_takes_three_attempts(app: Celery, job: int) -> None:
    def handler(claim: Claim, heartbeat: Heartbeat) -> Result:
        if claim.attempt < 3:
            raise NetworkError("503")
        return succeed(claim, heartbeat)

    run(app, job, handler)
    done = ledgers.job(job)
    assert (done.state, done.attempt, done.failures) == (JobState.DONE, 3, 2)


def test_after_the_short_tries_the_ledger_carries_the_wait(app: Celery, job: int) -> None:
    run(app, job, failing(NetworkError("Away.")))
    waiting = ledgers.job(job)
    assert (waiting.state, waiting.failures, waiting.celery_retry_until) == (JobState.READY, 4, None)
    assert 30 < waits(job) <= 60
    assert run(app, job, failing(AssertionError("it was run before its time"))) == "SUCCESS"


def test_an_archive_that_stays_away_is_asked_once_after_each_wait(app: Celery, job: int) -> None:
    """Else the failures would run out long before the time does."""
    run(app, job, failing(NetworkError("Away.")))
    for failures, longest in ((5, 120), (6, 300)):
        ledgers.set_job(job, not_before=ledgers.sources()[0].created_at)
        run(app, job, failing(NetworkError("Away.")))
        assert ledgers.job(job).failures == failures
        assert longest / 2 < waits(job) <= longest


def test_what_a_server_asked_for_is_waited_for_by_the_ledger(app: Celery, job: int) -> None:
    assert run(app, job, failing(NetworkError("Busy.", retry_after=500))) == "SUCCESS"
    assert ledgers.job(job).failures == 1
    assert 400 < waits(job) <= 500


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (MemoryError("Unable to allocate 3 GiB."), JobState.READY),
        (RecordingError("No units."), JobState.DEAD),
        (DamagedDownloadError("Other bytes came."), JobState.READY),
        (ZeroDivisionError(), JobState.READY),
        (SoftTimeLimitExceeded(), JobState.READY),
        (RecursionError(), JobState.READY),
    ],
    ids=lambda value: type(value).__name__,
)
def test_no_other_error_leaves_the_task(app: Celery, job: int, error: Exception, state: JobState) -> None:
    assert run(app, job, failing(error)) == "SUCCESS"
    failed = ledgers.job(job)
    assert (failed.state, failed.failures, failed.error_class) == (state, 1, type(error).__name__)


def test_an_error_after_the_end_changes_nothing(app: Celery, job: int) -> None:
    def break_down() -> None:
        raise ZeroDivisionError

    def handler(_claim: Claim, _heartbeat: Heartbeat) -> Result:
        return Result({}, lambda _: None, afterwards=break_down)

    assert run(app, job, handler) == "SUCCESS"
    assert (ledgers.job(job).state, ledgers.job(job).failures) == (JobState.DONE, 0)


@pytest.mark.parametrize("stop", [SystemExit(), KeyboardInterrupt()])
def test_a_worker_that_is_told_to_stop_gives_its_job_back(app: Celery, job: int, stop: BaseException) -> None:
    with pytest.raises(type(stop)):
        task_of(app, failing(stop))(job)
    released = ledgers.job(job)
    assert (released.state, released.failures, released.crashes) == (JobState.READY, 0, 0)
    assert ledgers.outcomes(job) == [Outcome.RELEASED]
    run(app, job, succeed)
    assert ledgers.job(job).state is JobState.DONE


def test_past_the_time_limit_a_stop_counts_as_a_failure(
    app: Celery, job: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spikemill.services.common.worker.runner.TIME_LIMIT", 0)
    with pytest.raises(SystemExit):
        task_of(app, failing(SystemExit()))(job)
    assert (ledgers.job(job).failures, ledgers.job(job).error) == (
        1,
        "TimeoutError: It ran past the time limit.",
    )


def test_a_superseded_attempt_ends_in_silence(app: Celery, job: int) -> None:
    def handler(claim: Claim, heartbeat: Heartbeat) -> Result:
        ledgers.set_job(job, attempt=claim.attempt + 1)
        return succeed(claim, heartbeat)

    assert run(app, job, handler) == "SUCCESS"
    assert ledgers.job(job).state is JobState.RUNNING
    assert ledgers.job(job).failures == 0


def test_a_finish_that_comes_too_late_for_its_release_is_no_crash(app: Celery) -> None:
    opened = ledgers.done_build()
    job = ledgers.one_ready(JobKind.FREEZE).id

    def handler(claim: Claim, _heartbeat: Heartbeat) -> Result:
        result = ledgers.frozen(claim)
        ledgers.ask("a", parameters={"seed": 1})
        return result

    run(app, job, handler)
    late = ledgers.job(job)
    assert (late.state, late.failures, late.crashes, late.lease_owner) == (JobState.READY, 0, 0, None)
    assert ledgers.release(opened.release).state is ReleaseState.OUTDATED
    assert ledgers.outcomes(job) == [Outcome.WITHDRAWN]


def test_one_that_calls_itself_superseded_while_its_job_is_wanted_has_failed(app: Celery, job: int) -> None:
    """Else it would be sent, and give up, for ever."""
    for failures in (1, 2):
        ledgers.set_job(job, not_before=ledgers.sources()[0].created_at)
        run(app, job, failing(SupersededError("The chunk belongs to nobody.")))
        assert ledgers.job(job).failures == failures
    assert ledgers.job(job).state is JobState.DEAD


def test_a_heartbeat_renews_the_lease(app: Celery, job: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIKEMILL_HEARTBEAT", "PT0.05S")
    settings.cache_clear()

    def handler(claim: Claim, heartbeat: Heartbeat) -> Result:
        before = ledgers.job(job).lease_expires
        until(lambda: ledgers.job(job).lease_expires != before)
        with engine().connect() as connection:
            connection.execute(_TERMINATE_OTHERS)
        before = ledgers.job(job).lease_expires
        until(lambda: ledgers.job(job).lease_expires != before)
        heartbeat.check()
        return succeed(claim, heartbeat)

    run(app, job, handler)
    assert ledgers.job(job).state is JobState.DONE


def test_a_heartbeat_notices_that_nobody_waits_any_more(
    app: Celery, job: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPIKEMILL_HEARTBEAT", "PT0.05S")
    settings.cache_clear()

    def handler(_claim: Claim, heartbeat: Heartbeat) -> Result:
        ledgers.ask("b")

        def is_withdrawn() -> bool:
            try:
                heartbeat.check()
            except SupersededError:
                return True
            return False

        until(is_withdrawn)
        heartbeat.check()
        raise AssertionError

    assert run(app, job, handler) == "SUCCESS"
    withdrawn = ledgers.job(job)
    assert (withdrawn.state, withdrawn.failures, withdrawn.crashes) == (JobState.READY, 0, 0)
    assert ledgers.outcomes(job) == [Outcome.WITHDRAWN]


def test_a_connection_that_is_lost_while_a_result_is_recorded_does_not_lose_it(app: Celery, job: int) -> None:
    tries = []

    def record(session: Session) -> None:
        tries.append(1)
        if len(tries) < 3:
            session.execute(_TERMINATE_SELF)

    run(app, job, lambda _claim, _heartbeat: Result({"a": 1}, record))
    assert len(tries) == 3
    done = ledgers.job(job)
    assert (done.state, done.attempt, done.failures) == (JobState.DONE, 1, 0)


@pytest.mark.parametrize("error", [NetworkError("Away."), RecordingError("No units.")])
def test_a_connection_that_is_lost_before_a_failure_is_recorded_does_not_lose_it(
    app: Celery, job: int, error: Exception
) -> None:
    def handler(_claim: Claim, _heartbeat: Heartbeat) -> Result:
        with engine().connect() as connection:
            connection.execute(_TERMINATE_OTHERS)
        raise error

    run(app, job, handler, retries=3)
    assert ledgers.job(job).failures == 1


def test_a_ledger_that_is_away_when_a_message_comes_leaves_the_job_for_later(
    app: Celery, job: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = task_of(app, succeed)
    with monkeypatch.context() as away:
        away.setenv("SPIKEMILL_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
        settings.cache_clear()
        assert task.apply(args=(job,)).state == "SUCCESS"
    settings.cache_clear()
    assert ledgers.job(job).attempt == 0


def test_a_finish_whose_answer_was_lost_counts_once(job: int) -> None:
    written = []
    claimed = ledgers.claim(job)
    result = Result({}, lambda _: written.append(1))
    for _ in range(2):
        ledgers.finish(claimed, result)
    assert written == [1]


_CRASH_POINTS = pytest.mark.parametrize(
    ("point", "state"),
    [("working", JobState.RUNNING), ("recording", JobState.RUNNING), ("recorded", JobState.DONE)],
)


@pytest.mark.chaos
@_CRASH_POINTS
def test_a_worker_that_is_killed_at_any_point_costs_one_attempt_at_most(
    app: Celery, job: int, point: str, state: JobState
) -> None:
    subprocess.run([sys.executable, CRASHES, str(job), point], check=False)
    assert ledgers.job(job).state is state
    with transaction() as ledger:
        assert dispatch.expire_owner(ledger, job) == (state is JobState.RUNNING)
    ledgers.set_job(job, not_before=ledgers.sources()[0].created_at)
    run(app, job, succeed)
    done = ledgers.job(job)
    assert done.state is JobState.DONE
    assert done.output == ({"ok": True} if state is JobState.RUNNING else {"by": "the first"})
    assert (done.attempt, done.crashes) == ((2, 1) if state is JobState.RUNNING else (1, 0))


@pytest.mark.chaos
@_CRASH_POINTS
def test_a_stream_that_is_killed_at_any_point_is_recorded_whole_or_not_at_all(
    app: Celery, point: str, state: JobState
) -> None:
    ledgers.ask("a", fetch="stream")
    ledgers.plan(ledgers.listing("a", 1, assets=2))
    ledgers.sweep_once()
    job = ledgers.one_ready(JobKind.STREAM).id
    subprocess.run([sys.executable, CRASHES, str(job), point], check=False)
    assert ledgers.job(job).state is state
    recorded = [ledgers.sessions()[0].chunk, *(asset.verified_by for asset in ledgers.assets())]
    assert {fact is not None for fact in recorded} == {state is JobState.DONE}
    with transaction() as ledger:
        dispatch.expire_owner(ledger, job)
    ledgers.set_job(job, not_before=ledgers.sources()[0].created_at)
    run(app, job, lambda claim, _heartbeat: ledgers.streamed(claim))
    ledgers.publish()
    assert ledgers.only(JobKind.STREAM).state is JobState.DONE


@pytest.mark.chaos
@_CRASH_POINTS
def test_a_push_that_is_killed_at_any_point_is_recorded_whole_or_not_at_all(
    app: Celery, point: str, state: JobState
) -> None:
    opened = ledgers.done_build(push=ledgers.target())
    ledgers.publish()
    job = ledgers.one_ready(JobKind.PUBLISH).id
    subprocess.run([sys.executable, CRASHES, str(job), point], check=False)
    assert ledgers.job(job).state is state
    is_recorded = state is JobState.DONE
    assert (ledgers.release(opened.release).hub_commit is not None) == is_recorded
    assert (ledgers.build(opened.build).state is BuildState.RELEASED) == is_recorded
    with transaction() as ledger:
        dispatch.expire_owner(ledger, job)
    ledgers.set_job(job, not_before=ledgers.sources()[0].created_at)
    run(app, job, lambda claim, _heartbeat: ledgers.pushed(claim, "second"))
    assert ledgers.release(opened.release).hub_commit == ("c" * 40 if is_recorded else "second")
    assert ledgers.build(opened.build).state is BuildState.RELEASED


def test_a_zombie_does_not_undo_what_came_after_it(app: Celery, job: int) -> None:
    """It was stopped for longer than its lease, and goes on when another has done its job."""

    def handler(claim: Claim, heartbeat: Heartbeat) -> Result:
        if claim.attempt == 1:
            ledgers.expire(job)
            with transaction() as ledger:
                dispatch.expire_leases(ledger)
            ledgers.set_job(job, not_before=ledgers.sources()[0].created_at)
            other = Thread(target=run, args=(create_app(), job, succeed))
            other.start()
            other.join()
            return Result({"late": True}, lambda _: None)
        return succeed(claim, heartbeat)

    run(app, job, handler)
    done = ledgers.job(job)
    assert (done.state, done.output, done.attempt) == (JobState.DONE, {"ok": True}, 2)
    assert ledgers.outcomes(job) == [Outcome.VANISHED, Outcome.DONE]
