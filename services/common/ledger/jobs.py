"""A job in the hands of a worker: claim, heartbeat, finish, fail, release; all by the database's clock."""

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, and_, func, insert, select, update
from sqlalchemy.orm import Session as Transaction

from spikemill.services.common.errors import NetworkError, NoRangesError, RetryPolicy, readable, retry_policy
from spikemill.services.common.ledger.attempts import SupersededError, end_attempt, release_lease, requeue
from spikemill.services.common.ledger.locks import lock_before_job, needed_by_open_build
from spikemill.services.common.ledger.sessions import close_session_of, fall_back_to_copy
from spikemill.services.common.models import Attempt, Job, JobKind, JobState, Outcome
from spikemill.services.common.row_format import FORMAT_ID
from spikemill.services.common.settings import settings
from spikemill.services.common.worker.process import worker_id


@dataclass(frozen=True, slots=True)
class Claim:
    """A job as one worker holds it; `subject` is the row it is about, in the table that its kind names.

    `failures` is how many failures of one kind in a row it had when it was claimed.
    """

    job: int
    kind: JobKind
    subject: int
    attempt: int
    failures: int
    owner: str


def claim(transaction: Transaction, job_id: int) -> Claim | None:
    """Take the job, if it may run, is wanted, and is meant for a worker of this format."""
    owner = f"{worker_id(os.getpid())}:{uuid4().hex[:8]}"
    job = transaction.scalar(
        update(Job)
        .where(
            Job.id == job_id,
            Job.state == JobState.READY,
            Job.not_before <= func.clock_timestamp(),
            Job.format_id.is_(None) | (Job.format_id == FORMAT_ID),
            needed_by_open_build(),
        )
        .values(
            state=JobState.RUNNING,
            attempt=Job.attempt + 1,
            lease_owner=owner,
            lease_worker=settings().worker,
            supervisor_id=settings().boot,
            lease_expires=func.clock_timestamp() + settings().lease,
            started_at=func.clock_timestamp(),
            celery_retry_until=None,
            sent_at=None,
        )
        .returning(Job)
    )
    if job is None:
        return None
    transaction.execute(insert(Attempt).values(job_id=job.id, attempt=job.attempt, owner=owner))
    return Claim(job.id, job.kind, _subject_of(job), job.attempt, job.failures, owner)


def _subject_of(job: Job) -> int:
    """Return the row that the job is about."""
    subjects = (job.source_version_id, job.asset_id, job.session_id, job.release_id, job.shard_id)
    return next(subject for subject in subjects if subject is not None)


def is_gone(owner: str) -> bool:
    """Tell whether an owner is a process of this machine that no longer runs."""
    host, process, _ = owner.rsplit(":", 2)
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def held_by(claim: Claim) -> ColumnElement[bool]:
    """Return the condition that the job is held as it was claimed: id, attempt, owner, still running."""
    return and_(
        Job.id == claim.job,
        Job.attempt == claim.attempt,
        Job.lease_owner == claim.owner,
        Job.state == JobState.RUNNING,
    )


def heartbeat(transaction: Transaction, claim: Claim) -> bool:
    """Renew the lease; False when the job is no longer ours, or nobody wants it and it was given back."""
    renewed = transaction.scalar(
        update(Job)
        .where(held_by(claim), needed_by_open_build())
        .values(lease_expires=func.clock_timestamp() + settings().lease)
        .returning(Job.id)
    )
    if renewed is None:
        abort_claim(transaction, claim)
    return renewed is not None


def abort_claim(transaction: Transaction, claim: Claim) -> None:
    """Give back a job that nobody wants: a lease that runs out would count as a crash."""
    job = transaction.scalar(select(Job).where(held_by(claim)).with_for_update())
    if job is not None:
        requeue(transaction, job, Outcome.WITHDRAWN)


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
    release_lease(job, JobState.DONE)
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
    if isinstance(error, NoRangesError) and fall_back_to_copy(transaction, job):
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
        job.celery_retry_until = func.clock_timestamp() + timedelta(seconds=within)
    return job.state


def release(transaction: Transaction, claim: Claim) -> None:
    """Give the job back uncounted: this worker was told to stop."""
    requeue(transaction, _held(transaction, claim), Outcome.RELEASED)


def handle_superseded(transaction: Transaction, claim: Claim, error: SupersededError) -> JobState:
    """End an attempt that found itself superseded; while its job is wanted as before, that is a failure."""
    if transaction.scalar(select(Job.id).where(held_by(claim), needed_by_open_build())) is not None:
        return fail(transaction, claim, error)
    abort_claim(transaction, claim)
    return JobState.READY


def mark_dead(transaction: Transaction, job: Job) -> None:
    """Call a job dead, and give back what its session held."""
    release_lease(job, JobState.DEAD)
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
        mark_dead(transaction, job)
    else:
        release_lease(job, JobState.READY)


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
