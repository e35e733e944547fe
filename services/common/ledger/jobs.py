"""A job in the hands of a worker: claim, heartbeat, finish, fail, release; all by the database's clock."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, and_, func, insert, select, update
from sqlalchemy.orm import Session as Transaction

from spikemill.services.common.errors import (
    NetworkError,
    NoRangesError,
    SupersededError,
    readable,
    retry_policy,
)
from spikemill.services.common.ledger.locks import (
    CLEARED_LEASE,
    lock_releases,
    lock_sessions,
    needed_by_open_build,
)
from spikemill.services.common.ledger.sessions import fall_back_to_copy, release_reservation_of
from spikemill.services.common.models import COUNTING, Asset, Attempt, Job, JobKind, JobState, Outcome
from spikemill.services.common.process import worker_id
from spikemill.services.common.row_format import FORMAT_ID
from spikemill.services.common.settings import settings


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

    @property
    def is_held(self) -> ColumnElement[bool]:
        """The condition that the job is held as it was claimed: id, attempt, owner, still running."""
        return and_(
            Job.id == self.job,
            Job.attempt == self.attempt,
            Job.lease_owner == self.owner,
            Job.state == JobState.RUNNING,
        )


def claim(transaction: Transaction, job_id: int) -> Claim | None:
    """Take the job, if it may run, an open build needs it, and it is meant for a worker of this format."""
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
    subjects = (job.source_version_id, job.asset_id, job.session_id, job.release_id, job.shard_id)
    subject = next(subject for subject in subjects if subject is not None)
    return Claim(job.id, job.kind, subject, job.attempt, job.failures, owner)


def heartbeat(transaction: Transaction, claim: Claim) -> bool:
    """Renew the lease; False when another has the job, or no open build needs it and it was given back."""
    renewed = transaction.scalar(
        update(Job)
        .where(claim.is_held, needed_by_open_build())
        .values(lease_expires=func.clock_timestamp() + settings().lease)
        .returning(Job.id)
    )
    if renewed is None:
        _abort(transaction, claim)
    return renewed is not None


def _abort(transaction: Transaction, claim: Claim) -> None:
    """Give back a job that no build needs: a lease that runs out would count as a crash."""
    job = transaction.scalar(select(Job).where(claim.is_held).with_for_update())
    if job is not None:
        requeue(transaction, job, Outcome.WITHDRAWN)


@dataclass(frozen=True, slots=True)
class Result:
    """What a job produced: a note for people, facts that enter the ledger with it, and what may follow."""

    output: Mapping[str, Any]
    record: Callable[[Transaction], None]
    afterwards: Callable[[], None] = lambda: None


def finish(transaction: Transaction, claim: Claim, result: Result) -> JobState:
    """Record what the job produced and mark it done; safe to repeat when the answer to a commit was lost."""
    try:
        job = _held(transaction, claim)
    except SupersededError:
        ended = select(Attempt.outcome).where(
            Attempt.job_id == claim.job, Attempt.attempt == claim.attempt, Attempt.owner == claim.owner
        )
        if transaction.scalar(ended) is Outcome.DONE:
            return JobState.DONE
        raise
    release_lease(job, JobState.DONE)
    job.output = dict(result.output)
    job.error = job.error_class = job.first_failed_at = None
    job.finished_at = func.clock_timestamp()
    end_attempt(transaction, job, Outcome.DONE)
    transaction.flush()
    result.record(transaction)
    return JobState.DONE


def fail(transaction: Transaction, claim: Claim, error: BaseException) -> JobState:
    """Count the failure; the retry table says whether and when the job runs again.

    What cannot be streamed is no failure where its source allows to copy it.
    """
    job = _held(transaction, claim)
    if isinstance(error, NoRangesError) and fall_back_to_copy(transaction, job):
        end_attempt(transaction, job, Outcome.HANDED_OVER, readable(error))
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
    """End an attempt that was superseded; while an open build still needs the job, that is a failure."""
    if transaction.scalar(select(Job.id).where(claim.is_held, needed_by_open_build())) is not None:
        return fail(transaction, claim, error)
    _abort(transaction, claim)
    return JobState.READY


def _held(transaction: Transaction, claim: Claim) -> Job:
    """Lock the job as it was claimed, after what its end may change; or raise SupersededError."""
    if claim.kind in COUNTING:
        lock_sessions(transaction, [claim.subject])
    elif claim.kind is JobKind.FETCH:
        lock_sessions(transaction, select(Asset.session_id).where(Asset.id == claim.subject))
    elif claim.kind in {JobKind.FREEZE, JobKind.ASSEMBLE, JobKind.PUBLISH}:
        lock_releases(transaction)
    job = transaction.scalar(select(Job).where(claim.is_held).with_for_update())
    if job is None:
        raise SupersededError(f"Job {claim.job}: attempt {claim.attempt} was superseded.")
    return job


def _count_failure(transaction: Transaction, job: Job, error: BaseException) -> None:
    """Count the failure and let the job go: dead if it was tried often or long enough, else ready.

    Each kind of error has its own tries, so another kind begins at one.
    """
    kind, now = type(error).__name__, func.clock_timestamp()
    is_same = kind == job.error_class
    job.failures = job.failures + 1 if is_same else 1
    job.first_failed_at = func.coalesce(Job.first_failed_at, now) if is_same else now
    job.error_class, job.error = kind, readable(error)
    end_attempt(transaction, job, Outcome.FAILED, job.error)
    transaction.flush()
    waited_too_long = select(now - Job.first_failed_at > settings().give_up_after).where(Job.id == job.id)
    if (
        job.failures >= retry_policy(error).tries
        or job.attempt >= settings().attempt_cap
        or transaction.scalar(waited_too_long)
    ):
        mark_dead(transaction, job)
    else:
        release_lease(job, JobState.READY)


def mark_dead(transaction: Transaction, job: Job) -> None:
    """Give a job up, and free the room that its session holds in the spool."""
    release_lease(job, JobState.DEAD)
    job.finished_at = func.clock_timestamp()
    transaction.flush()
    release_reservation_of(transaction, job)


def requeue(transaction: Transaction, job: Job, outcome: Outcome) -> None:
    """Make a locked, running job ready again, uncounted."""
    end_attempt(transaction, job, outcome)
    release_lease(job, JobState.READY)


def release_lease(job: Job, state: JobState) -> None:
    """Take the lease off a locked job."""
    job.state = state
    for column in CLEARED_LEASE:
        setattr(job, column, None)


def end_attempt(transaction: Transaction, job: Job, outcome: Outcome, error: str | None = None) -> None:
    """Record how the last attempt at a job ended."""
    transaction.execute(
        update(Attempt)
        .where(Attempt.job_id == job.id, Attempt.attempt == job.attempt)
        .values(ended_at=func.clock_timestamp(), outcome=outcome, error=error)
    )
