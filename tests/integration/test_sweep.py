"""The sweeper's statements: what it takes back, what it lets go on, and what it sends."""

import os
import socket
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, update

from spikemill.services.common.database import transaction
from spikemill.services.common.errors import NetworkError
from spikemill.services.common.ledger import admin, dispatch
from spikemill.services.common.ledger import jobs as job_queries
from spikemill.services.common.models import JobKind, JobState, LedgerMark, Outcome
from spikemill.services.common.settings import settings
from tests.integration import ledgers

FETCH = [JobKind.FETCH]


@pytest.fixture
def plan_job() -> int:
    ledgers.ask("a")
    return ledgers.only(JobKind.PLAN).id


def run(step: Any, *arguments: Any, **options: Any) -> Any:
    with transaction() as ledger:
        return step(ledger, *arguments, **options)


def send(kinds: list[JobKind], *, epoch: str = "one", idle: bool = False) -> list[int]:
    return [message.job for message in run(dispatch.mark_sent, kinds, epoch=epoch, idle=idle)]


def ago(**time: float) -> Any:
    return func.clock_timestamp() - timedelta(**time)


def swept(**time: float) -> None:
    """Let the sweeper's last round be so long ago."""
    with transaction() as ledger:
        ledger.execute(update(LedgerMark).values(heartbeat_at=ago(**time)))


def fetches(sessions: int) -> list[int]:
    """Bring a source to where its assets may be fetched; return their jobs."""
    ledgers.ask("a")
    ledgers.plan(ledgers.listing("a", sessions))
    ledgers.sweep_once()
    return [job.id for job in ledgers.ready(JobKind.FETCH)]


def test_a_lease_that_holds_is_left_alone(plan_job: int) -> None:
    ledgers.claim(plan_job)
    assert run(dispatch.expire_leases) == 0
    assert ledgers.job(plan_job).state is JobState.RUNNING


def test_a_silent_owner_loses_its_job_and_that_counts_as_a_crash(plan_job: int) -> None:
    claimed = ledgers.claim(plan_job)
    ledgers.expire(plan_job)
    assert run(dispatch.expire_leases) == 1
    job = ledgers.job(plan_job)
    assert (job.state, job.crashes, job.failures, job.lease_owner) == (JobState.READY, 1, 0, None)
    assert (
        job.error
        == f"Attempt 1 of {claimed.owner} vanished: its process was killed, perhaps for lack of memory."
    )
    assert ledgers.outcomes(plan_job) == [Outcome.VANISHED]
    with transaction() as ledger:
        assert job_queries.claim(ledger, plan_job) is None  # it waits a little


def test_what_vanishes_too_often_is_dead_and_says_why(plan_job: int) -> None:
    for _ in range(settings().max_crashes):
        ledgers.set_job(plan_job, not_before=ago(seconds=1))
        ledgers.claim(plan_job)
        ledgers.expire(plan_job)
        run(dispatch.expire_leases)
    job = ledgers.job(plan_job)
    assert job.state is JobState.DEAD
    assert job.error is not None
    assert "happened 3 times; give the workers more memory, then retry" in job.error


def test_the_cap_on_attempts_is_the_last_bound(plan_job: int) -> None:
    ledgers.set_job(plan_job, attempt=settings().attempt_cap - 1)
    ledgers.claim(plan_job)
    ledgers.expire(plan_job)
    run(dispatch.expire_leases)
    job = ledgers.job(plan_job)
    assert job.state is JobState.DEAD
    assert job.error is not None
    assert f"the last of {settings().attempt_cap} attempts" in job.error


def test_a_bin_that_vanishes_keeps_its_copies_until_it_is_dead() -> None:
    fetches(1)
    ledgers.fetch_all()
    ledgers.sweep_once()
    (job,) = ledgers.ready(JobKind.BIN)
    for crashes in (1, 2, 3):
        assert ledgers.reserved() == 100
        ledgers.set_job(job.id, not_before=ago(seconds=1))
        ledgers.claim(job.id)
        ledgers.expire(job.id)
        run(dispatch.expire_leases)
        assert ledgers.job(job.id).crashes == crashes
    assert ledgers.reserved() == 0


def test_after_the_sweeper_was_away_nothing_expires_for_a_while(plan_job: int) -> None:
    ledgers.claim(plan_job)
    ledgers.expire(plan_job)
    swept(hours=1)
    run(dispatch.note_heartbeat)
    assert run(dispatch.expire_leases) == 0
    with transaction() as ledger:
        ledger.execute(update(LedgerMark).values(grace_until=ago(seconds=1)))
    run(dispatch.note_heartbeat)
    assert run(dispatch.expire_leases) == 1


def test_a_start_grants_no_grace(plan_job: int) -> None:
    ledgers.claim(plan_job)
    ledgers.expire(plan_job)
    swept(hours=1)
    run(dispatch.note_start)
    run(dispatch.note_heartbeat)
    assert run(dispatch.expire_leases) == 1


def test_a_short_pause_of_the_sweeper_changes_nothing(plan_job: int) -> None:
    ledgers.claim(plan_job)
    ledgers.expire(plan_job)
    swept(seconds=settings().lease.total_seconds() / 2 - 5)
    run(dispatch.note_heartbeat)
    assert run(dispatch.expire_leases) == 1


def test_a_worker_that_is_known_to_be_dead_loses_its_jobs_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = fetches(3)
    for job, worker in ((first, "w1"), (second, "w2"), (third, "w1")):
        monkeypatch.setenv("SPIKEMILL_WORKER", worker)
        settings.cache_clear()
        ledgers.claim(job)
    assert run(dispatch.expire_worker, "w1") == 2
    assert [ledgers.job(job).crashes for job in (first, second, third)] == [1, 0, 1]


def test_a_process_that_is_known_to_be_dead_loses_its_job_at_once(plan_job: int) -> None:
    ledgers.claim(plan_job)
    ledgers.set_job(plan_job, lease_owner=f"{socket.gethostname()}:{_dead_process()}:x")
    assert run(dispatch.expire_owner, plan_job) == 1
    assert ledgers.job(plan_job).crashes == 1


@pytest.mark.parametrize(
    "owner", [f"{socket.gethostname()}:{os.getpid()}:x", "elsewhere:1:x"], ids=["alive", "elsewhere"]
)
def test_another_process_keeps_the_job_that_a_dead_one_had_a_message_for(plan_job: int, owner: str) -> None:
    ledgers.claim(plan_job)
    ledgers.set_job(plan_job, lease_owner=owner)
    assert run(dispatch.expire_owner, plan_job) == 0
    assert ledgers.job(plan_job).state is JobState.RUNNING


def _dead_process() -> int:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return child


def test_a_restart_of_everything_counts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = fetches(2)
    monkeypatch.setenv("SPIKEMILL_BOOT", "old")
    settings.cache_clear()
    ledgers.claim(first)
    monkeypatch.setenv("SPIKEMILL_BOOT", "new")
    settings.cache_clear()
    ledgers.claim(second)
    assert run(dispatch.reclaim_older_boots, "new") == 1
    job = ledgers.job(first)
    assert (job.state, job.crashes, job.failures, job.error) == (JobState.READY, 0, 0, None)
    assert ledgers.job(second).state is JobState.RUNNING
    assert ledgers.outcomes(first) == [Outcome.RELEASED]
    assert ledgers.claim(first).attempt == 2


def test_only_as_many_messages_as_the_window_holds_are_under_way() -> None:
    jobs = fetches(settings().window + 5)
    assert send(FETCH) == jobs[: settings().window]
    assert send(FETCH) == []
    ledgers.fetch_one(jobs[0])
    assert send(FETCH) == [jobs[settings().window]]


def test_a_new_life_of_the_broker_gets_all_messages_again() -> None:
    jobs = fetches(3)
    assert send(FETCH) == jobs
    assert send(FETCH, epoch="two") == jobs
    assert send(FETCH, epoch="two") == []


def test_an_empty_queue_gets_a_lost_message_again_after_some_seconds() -> None:
    first, second = fetches(2)
    send(FETCH)
    assert send(FETCH, idle=True) == []
    ledgers.set_job(first, sent_at=ago(seconds=4))
    assert send(FETCH, idle=False) == []
    assert send(FETCH, idle=True) == [first]
    ledgers.set_job(second, sent_at=func.clock_timestamp() - settings().resend)
    assert send(FETCH, idle=False) == [second]


def test_a_job_is_left_to_celerys_own_retry_until_that_is_over(plan_job: int) -> None:
    with transaction() as ledger:
        claimed = job_queries.claim(ledger, plan_job)
    assert claimed is not None
    run(job_queries.retry_soon, claimed, NetworkError("Away."), within=7)
    assert send([JobKind.PLAN], idle=True) == []
    ledgers.set_job(plan_job, celery_retry_until=ago(seconds=1))
    assert send([JobKind.PLAN], idle=True) == [plan_job]


def test_celerys_own_retry_may_claim_before_that(plan_job: int) -> None:
    run(job_queries.retry_soon, ledgers.claim(plan_job), NetworkError("Away."), within=7)
    assert ledgers.claim(plan_job).attempt == 2


def test_nothing_is_sent_before_its_time(plan_job: int) -> None:
    ledgers.set_job(plan_job, not_before=func.clock_timestamp() + timedelta(seconds=60))
    assert send([JobKind.PLAN]) == []


def test_what_nobody_wants_is_not_sent(plan_job: int) -> None:
    run(admin.cancel_builds)
    assert send([JobKind.PLAN]) == []
    ledgers.ask("a")
    assert send([JobKind.PLAN]) == [plan_job]


def test_at_a_start_every_message_counts_as_lost(plan_job: int) -> None:
    send([JobKind.PLAN])
    ledgers.set_job(plan_job, celery_retry_until=func.clock_timestamp() + timedelta(hours=1))
    run(dispatch.forget_messages)
    assert send([JobKind.PLAN]) == [plan_job]


def test_two_that_send_at_once_take_different_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = fetches(10)
    monkeypatch.setenv("SPIKEMILL_WINDOW", "4")
    settings.cache_clear()
    with transaction() as first, transaction() as second:
        one = dispatch.mark_sent(first, FETCH, epoch="one", idle=False)
        two = dispatch.mark_sent(second, FETCH, epoch="one", idle=False)
    assert [message.job for message in one] == jobs[:4]
    assert [message.job for message in two] == jobs[4:8]


def test_a_bin_is_ready_when_all_its_assets_are_there() -> None:
    ledgers.ask("a")
    ledgers.plan(ledgers.listing("a", 1, assets=3))
    ledgers.sweep_once()
    for job in ledgers.ready(JobKind.FETCH):
        assert ledgers.only(JobKind.BIN).state is JobState.BLOCKED
        ledgers.fetch_one(job.id)
        ledgers.sweep_once()
    assert ledgers.only(JobKind.BIN).state is JobState.READY
