"""How a job leaves its worker: the lease is taken off it, and its attempt ends in the history."""

from typing import Any

from sqlalchemy import ColumnElement, func, update
from sqlalchemy.orm import Session as Transaction

from spikemill.services.common.errors import SpikemillError
from spikemill.services.common.models import Attempt, Job, JobState, Outcome

CLEARED_LEASE: dict[str, Any] = dict.fromkeys(
    ("lease_owner", "lease_worker", "supervisor_id", "lease_expires", "sent_at", "broker_epoch")
)
"""The columns of a job that nobody runs, and that no message is under way for."""
_NEW = CLEARED_LEASE | dict.fromkeys(
    (
        "first_failed_at",
        "celery_retry_until",
        "finished_at",
        "error",
        "error_class",
        "output",
        "skipped_because",
    )
)


def release_lease(job: Job, state: JobState) -> None:
    """Take the lease off a job."""
    job.state = state
    for column in CLEARED_LEASE:
        setattr(job, column, None)


def reset_jobs(transaction: Transaction, jobs: ColumnElement[bool], state: JobState) -> None:
    """Put locked jobs into a state as if they had never run; only their attempts go on counting."""
    transaction.execute(
        update(Job)
        .where(jobs)
        .values(state=state, failures=0, crashes=0, not_before=func.clock_timestamp(), **_NEW)
    )


def end_attempt(
    transaction: Transaction, job_id: int, attempt: int, outcome: Outcome, error: str | None = None
) -> None:
    """Write down how an attempt ended."""
    transaction.execute(
        update(Attempt)
        .where(Attempt.job_id == job_id, Attempt.attempt == attempt)
        .values(ended_at=func.clock_timestamp(), outcome=outcome, error=error)
    )


def requeue(transaction: Transaction, job: Job, outcome: Outcome) -> None:
    """Make a running job ready again, uncounted."""
    end_attempt(transaction, job.id, job.attempt, outcome)
    release_lease(job, JobState.READY)


def abort_attempts(transaction: Transaction, jobs: ColumnElement[bool]) -> None:
    """End what is under way at locked jobs: nobody waits for what it makes any more."""
    transaction.execute(
        update(Attempt)
        .where(Attempt.job_id == Job.id, Attempt.attempt == Job.attempt, Job.state == JobState.RUNNING, jobs)
        .values(ended_at=func.clock_timestamp(), outcome=Outcome.WITHDRAWN)
    )


class SupersededError(SpikemillError):
    """The job belongs to somebody else by now; what was done for it is dropped."""
