"""How a job leaves its worker: the lease is taken off it, and its attempt ends in the history."""

from sqlalchemy import func, update
from sqlalchemy.orm import Session as Transaction

from services.common.models import Attempt, Job
from services.common.models.work import JobState, Outcome


def let_go(job: Job, state: JobState) -> None:
    """Take the lease off a job."""
    job.state = state
    job.lease_owner = job.lease_worker = job.lease_boot = job.lease_expires = None
    job.sent_at = job.sent_epoch = None


def end_attempt(
    transaction: Transaction, job_id: int, attempt: int, outcome: Outcome, error: str | None = None
) -> None:
    """Write down how an attempt ended."""
    transaction.execute(
        update(Attempt)
        .where(Attempt.job_id == job_id, Attempt.attempt == attempt)
        .values(ended_at=func.clock_timestamp(), outcome=outcome, error=error)
    )


def hand_back(transaction: Transaction, job: Job, outcome: Outcome) -> None:
    """Make a running job ready again, uncounted."""
    end_attempt(transaction, job.id, job.attempt, outcome)
    let_go(job, JobState.READY)


def withdraw_attempt(transaction: Transaction, job: Job) -> None:
    """End the attempt that is under way, if one is: nobody waits for what it makes any more."""
    if job.state is JobState.RUNNING:
        end_attempt(transaction, job.id, job.attempt, Outcome.WITHDRAWN)
