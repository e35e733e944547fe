"""A worker's process that the kernel ends: the ledger says how, and what can be done."""

from dataclasses import replace
from pathlib import Path

from celery import Celery
from sqlalchemy import select

from spikemill.services.common.database import transaction
from spikemill.services.common.models import Attempt, Job, JobKind, JobState, Outcome
from spikemill.services.common.worker.kinds import task_name
from tests.integration import ledgers
from tests.integration.celery_workers import until, worker


def worked_on(app: Celery, how: str, log: Path, **environment: str) -> Job:
    """Let a real worker do one job, which ends as its name says; return it after its first attempt."""
    ledgers.ask(sources=[replace(ledgers.source(how), config={"failures": 9})])
    job = ledgers.only(JobKind.PLAN)
    with worker(log, **environment):
        app.send_task(task_name(JobKind.PLAN), args=[job.id], queue="plan")
        until(lambda: first_attempt(job).outcome)
    return ledgers.job(job.id)


def first_attempt(job: Job) -> Attempt:
    with transaction() as ledger:
        return (
            ledger.scalars(
                select(Attempt).where(Attempt.job_id == job.id).order_by(Attempt.attempt).limit(1)
            ).first()
            or Attempt()
        )


def test_a_process_that_was_killed_is_said_to_have_been_killed_probably_for_memory(
    app: Celery, tmp_path: Path
) -> None:
    job = worked_on(app, "killed", tmp_path / "log")
    assert job.error is not None
    assert job.error.endswith("its process was killed, probably for memory (SIGKILL).")
    assert (job.state, job.crashes) == (JobState.READY, 1)
    assert (first_attempt(job).outcome, first_attempt(job).error) == (Outcome.VANISHED, job.error)


def test_the_last_crash_says_what_to_do(app: Celery, tmp_path: Path) -> None:
    job = worked_on(app, "killed", tmp_path / "log", SPIKEMILL_MAX_CRASHES="1")
    assert job.state is JobState.DEAD
    assert job.error is not None
    assert job.error.endswith("give the workers more memory, then retry.")


def test_another_signal_is_called_by_its_name(app: Celery, tmp_path: Path) -> None:
    job = worked_on(app, "broken", tmp_path / "log", SPIKEMILL_MAX_CRASHES="1")
    assert job.error is not None
    assert "its process was ended by SIGSEGV." in job.error
    assert "memory" not in job.error


def test_under_a_limit_of_its_own_a_lack_of_memory_is_an_error_with_a_remedy(
    app: Celery, tmp_path: Path
) -> None:
    job = worked_on(app, "hungry", tmp_path / "log", SPIKEMILL_WORKER_MEMORY_BYTES=str(2**32))
    assert (job.state, job.crashes, job.failures) == (JobState.READY, 0, 1)
    assert job.error_class == "MemoryError"
    assert job.error is not None
    assert "Give the workers more memory" in job.error
