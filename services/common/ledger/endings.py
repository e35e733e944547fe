"""How a claimed job ends: it is done, it failed, or it is given back.

Each ending first locks the job as it was claimed; if it is no longer so, the work was superseded and is
dropped. Only the database's clock is used.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session as Transaction

from services.common.errors import NetworkError, NoRangesError, RetryPolicy, readable, retry_policy
from services.common.ledger.attempts import end_attempt, hand_back, let_go
from services.common.ledger.claims import Claim, SupersededError, held_by, withdraw
from services.common.ledger.locks import lock_before_job
from services.common.ledger.rooms import close_session_of
from services.common.ledger.wanted import is_wanted
from services.common.ledger.ways import hand_over
from services.common.models import Attempt, Job
from services.common.models.work import JobState, Outcome
from services.common.settings import settings


def _nothing() -> None:
    """Leave it at that."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a job produced: a note for people, facts that enter the ledger with it, and what may follow."""

    output: Mapping[str, Any]
    record: Callable[[Transaction], None]
    afterwards: Callable[[], None] = _nothing


def finish(transaction: Transaction, claim: Claim, result: Result) -> JobState:
    """Record what the job produced and call it done; safe to repeat after a lost answer."""
    try:
        job = _held(transaction, claim)
    except SupersededError:
        if _was_finished(transaction, claim):
            return JobState.DONE
        raise
    let_go(job, JobState.DONE)
    job.output = dict(result.output)
    job.error = job.error_class = job.first_failed_at = None
    job.finished_at = func.clock_timestamp()
    end_attempt(transaction, claim.job, claim.attempt, Outcome.DONE)
    transaction.flush()
    result.record(transaction)
    return JobState.DONE


def fail(transaction: Transaction, claim: Claim, error: BaseException) -> JobState:
    """Count the failure; the retry table says whether and when the job runs again.

    What cannot be streamed is no failure where its source allows to copy it.
    """
    job = _held(transaction, claim)
    if isinstance(error, NoRangesError) and hand_over(transaction, job):
        end_attempt(transaction, claim.job, claim.attempt, Outcome.HANDED_OVER, readable(error))
        return job.state
    _count_failure(transaction, job, error)
    if job.state is JobState.READY:
        pause = retry_policy(error).wait(job.failures)
        if isinstance(error, NetworkError):
            pause = max(pause, timedelta(seconds=error.retry_after or 0))
        job.not_before = func.clock_timestamp() + pause
    return job.state


def retry_soon(transaction: Transaction, claim: Claim, error: NetworkError, *, within: float) -> JobState:
    """Count a network failure and leave the job to Celery's own retry, due within the given seconds."""
    job = _held(transaction, claim)
    _count_failure(transaction, job, error)
    if job.state is JobState.READY:
        job.retry_until = func.clock_timestamp() + timedelta(seconds=within)
    return job.state


def release(transaction: Transaction, claim: Claim) -> None:
    """Give the job back uncounted: this worker was told to stop."""
    hand_back(transaction, _held(transaction, claim), Outcome.RELEASED)


def step_back(transaction: Transaction, claim: Claim, error: SupersededError) -> JobState:
    """End an attempt that found itself superseded; while its job is wanted as before, that is a failure."""
    if transaction.scalar(select(Job.id).where(held_by(claim), is_wanted())) is not None:
        return fail(transaction, claim, error)
    withdraw(transaction, claim)
    return JobState.READY


def bury(transaction: Transaction, job: Job) -> None:
    """Call a job dead, and give back what its session held."""
    let_go(job, JobState.DEAD)
    job.finished_at = func.clock_timestamp()
    transaction.flush()
    close_session_of(transaction, job)


def _held(transaction: Transaction, claim: Claim) -> Job:
    """Lock the job as it was claimed, and what its end may change; or raise SupersededError."""
    lock_before_job(transaction, claim.kind, claim.subject)
    job = transaction.scalar(select(Job).where(held_by(claim)).with_for_update())
    if job is None:
        raise SupersededError(f"Job {claim.job}: attempt {claim.attempt} was superseded.")
    return job


def _was_finished(transaction: Transaction, claim: Claim) -> bool:
    """Tell whether this attempt's finish stands already: the answer to its commit was lost."""
    ended = select(Attempt.outcome).where(
        Attempt.job_id == claim.job, Attempt.attempt == claim.attempt, Attempt.owner == claim.owner
    )
    return transaction.scalar(ended) is Outcome.DONE


def _count_failure(transaction: Transaction, job: Job, error: BaseException) -> None:
    """Count the failure and let the job go: dead if it was tried often or long enough, else ready."""
    _note_failure(transaction, job, error)
    if _is_hopeless(transaction, job, retry_policy(error)):
        bury(transaction, job)
    else:
        let_go(job, JobState.READY)


def _note_failure(transaction: Transaction, job: Job, error: BaseException) -> None:
    """Count the failure: each kind has its own tries, so another kind begins at one."""
    kind = type(error).__name__
    if kind == job.error_class:
        job.failures += 1
        job.first_failed_at = func.coalesce(Job.first_failed_at, func.clock_timestamp())
    else:
        job.failures = 1
        job.first_failed_at = func.clock_timestamp()
    job.error_class = kind
    job.error = readable(error)
    end_attempt(transaction, job.id, job.attempt, Outcome.FAILED, job.error)
    transaction.flush()


def _is_hopeless(transaction: Transaction, job: Job, policy: RetryPolicy) -> bool:
    """Tell whether a job that failed has been tried often and long enough."""
    return (
        job.failures >= policy.tries
        or job.attempt >= settings().attempt_cap
        or _waited_too_long(transaction, job)
    )


def _waited_too_long(transaction: Transaction, job: Job) -> bool:
    """Tell whether the archive has been away for longer than anybody wants to wait."""
    waited = select(func.clock_timestamp() - Job.first_failed_at > settings().give_up_after).where(
        Job.id == job.id
    )
    return bool(transaction.scalar(waited))
