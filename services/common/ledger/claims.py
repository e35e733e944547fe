"""One worker, one job: claim it, keep it alive, end it.

Each ending first locks the job as it was claimed (id, attempt, owner, still running); if it is no longer
so, the work was superseded and is dropped. Only the database's clock is used.
"""

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, and_, func, insert, select, update
from sqlalchemy.orm import Session

from services.common.errors import NetworkError, RetryPolicy, SpikemillError, readable, retry_policy
from services.common.ledger.locks import lock_before_job
from services.common.ledger.rooms import close_session_of
from services.common.ledger.wanted import is_wanted
from services.common.models import Attempt, Job
from services.common.models.work import JobKind, JobState, Outcome
from services.common.schema import FORMAT_ID
from services.common.settings import settings


class SupersededError(SpikemillError):
    """The job belongs to somebody else by now; what was done for it is dropped."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A job as one worker holds it; `subject` is the row it is about, in the table that its kind names."""

    job: int
    kind: JobKind
    subject: int
    attempt: int
    owner: str


def _nothing() -> None:
    """Leave it at that."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a job produced: a note for people, facts that enter the ledger with it, and what may follow."""

    output: Mapping[str, Any]
    record: Callable[[Session], None]
    afterwards: Callable[[], None] = _nothing


def subject_of(job: Job) -> int:
    """Return the row that the job is about."""
    subjects = (job.source_version_id, job.asset_id, job.session_id, job.release_id, job.shard_id)
    return next(subject for subject in subjects if subject is not None)


def claim(session: Session, job_id: int) -> Claim | None:
    """Take the job, if it may run, is wanted, and is meant for a worker of this format."""
    owner = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
    job = session.scalar(
        update(Job)
        .where(
            Job.id == job_id,
            Job.state == JobState.READY,
            Job.not_before <= func.clock_timestamp(),
            Job.format_id.is_(None) | (Job.format_id == FORMAT_ID),
            is_wanted(),
        )
        .values(
            state=JobState.RUNNING,
            attempt=Job.attempt + 1,
            lease_owner=owner,
            lease_worker=os.environ.get("SPIKEMILL_WORKER"),
            lease_boot=os.environ.get("SPIKEMILL_BOOT"),
            lease_expires=func.clock_timestamp() + settings().lease,
            started_at=func.clock_timestamp(),
            retry_until=None,
            sent_at=None,
        )
        .returning(Job)
    )
    if job is None:
        return None
    session.execute(insert(Attempt).values(job_id=job.id, attempt=job.attempt, owner=owner))
    return Claim(job.id, job.kind, subject_of(job), job.attempt, owner)


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


def _held_by(claim: Claim) -> ColumnElement[bool]:
    return and_(
        Job.id == claim.job,
        Job.attempt == claim.attempt,
        Job.lease_owner == claim.owner,
        Job.state == JobState.RUNNING,
    )


def _held(session: Session, claim: Claim) -> Job:
    """Lock the job as it was claimed, and what its end may change; or raise SupersededError."""
    lock_before_job(session, claim.kind, claim.subject)
    job = session.scalar(select(Job).where(_held_by(claim)).with_for_update())
    if job is None:
        raise SupersededError(f"Job {claim.job}: attempt {claim.attempt} was superseded.")
    return job


def _was_finished(session: Session, claim: Claim) -> bool:
    """Tell whether this attempt's finish stands already: the answer to its commit was lost."""
    ended = select(Attempt.outcome).where(
        Attempt.job_id == claim.job, Attempt.attempt == claim.attempt, Attempt.owner == claim.owner
    )
    return session.scalar(ended) is Outcome.DONE


def heartbeat(session: Session, claim: Claim) -> bool:
    """Renew the lease; False when the job is no longer ours, or nobody wants it and it was given back."""
    renewed = session.scalar(
        update(Job)
        .where(_held_by(claim), is_wanted())
        .values(lease_expires=func.clock_timestamp() + settings().lease)
        .returning(Job.id)
    )
    if renewed is None:
        _withdraw(session, claim)
    return renewed is not None


def _withdraw(session: Session, claim: Claim) -> None:
    """Give back a job that nobody wants: a lease that runs out would count as a crash."""
    job = session.scalar(select(Job).where(_held_by(claim)).with_for_update())
    if job is not None:
        let_go(job, JobState.READY)
        end_attempt(session, claim.job, claim.attempt, Outcome.WITHDRAWN)


def step_back(session: Session, claim: Claim, error: SupersededError) -> JobState:
    """End an attempt that found itself superseded; while its job is wanted as before, that is a failure."""
    if session.scalar(select(Job.id).where(_held_by(claim), is_wanted())) is not None:
        return fail(session, claim, error)
    _withdraw(session, claim)
    return JobState.READY


def finish(session: Session, claim: Claim, result: Result) -> JobState:
    """Record what the job produced and call it done; safe to repeat after a lost answer."""
    try:
        job = _held(session, claim)
    except SupersededError:
        if _was_finished(session, claim):
            return JobState.DONE
        raise
    let_go(job, JobState.DONE)
    job.output = dict(result.output)
    job.error = job.error_class = job.first_failed_at = None
    job.finished_at = func.clock_timestamp()
    end_attempt(session, claim.job, claim.attempt, Outcome.DONE)
    session.flush()
    result.record(session)
    return JobState.DONE


def fail(session: Session, claim: Claim, error: BaseException) -> JobState:
    """Count the failure; the retry table says whether and when the job runs again."""
    job = _held(session, claim)
    policy = retry_policy(error)
    _note_failure(session, job, error)
    if _is_hopeless(session, job, policy):
        bury(session, job)
        return JobState.DEAD
    pause = policy.wait(job.failures).total_seconds()
    if isinstance(error, NetworkError):
        pause = max(pause, error.retry_after or 0)
    let_go(job, JobState.READY)
    job.not_before = func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, pause)
    return JobState.READY


def retry_soon(session: Session, claim: Claim, error: NetworkError, *, within: float) -> JobState:
    """Count a network failure and leave the job to Celery's own retry, due within the given seconds."""
    job = _held(session, claim)
    _note_failure(session, job, error)
    if _is_hopeless(session, job, retry_policy(error)):
        bury(session, job)
        return JobState.DEAD
    let_go(job, JobState.READY)
    job.retry_until = func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, within)
    return JobState.READY


def release(session: Session, claim: Claim) -> None:
    """Give the job back uncounted: this worker was told to stop."""
    job = _held(session, claim)
    let_go(job, JobState.READY)
    end_attempt(session, claim.job, claim.attempt, Outcome.RELEASED)


def let_go(job: Job, state: JobState) -> None:
    """Take the lease off a job."""
    job.state = state
    job.lease_owner = job.lease_worker = job.lease_boot = job.lease_expires = None
    job.sent_at = job.sent_epoch = None


def bury(session: Session, job: Job) -> None:
    """Call a job dead, and give back what its session held."""
    let_go(job, JobState.DEAD)
    job.finished_at = func.clock_timestamp()
    session.flush()
    close_session_of(session, job)


def end_attempt(
    session: Session, job_id: int, attempt: int, outcome: Outcome, error: str | None = None
) -> None:
    """Write down how an attempt ended."""
    session.execute(
        update(Attempt)
        .where(Attempt.job_id == job_id, Attempt.attempt == attempt)
        .values(ended_at=func.clock_timestamp(), outcome=outcome, error=error)
    )


def _note_failure(session: Session, job: Job, error: BaseException) -> None:
    job.failures += 1
    job.error_class = type(error).__name__
    job.error = readable(error)
    job.first_failed_at = func.coalesce(Job.first_failed_at, func.clock_timestamp())
    end_attempt(session, job.id, job.attempt, Outcome.FAILED, job.error)
    session.flush()


def _is_hopeless(session: Session, job: Job, policy: RetryPolicy) -> bool:
    """Tell whether a job that failed has been tried often and long enough."""
    return (
        job.failures >= policy.tries
        or job.attempt >= settings().attempt_cap
        or _waited_too_long(session, job)
    )


def _waited_too_long(session: Session, job: Job) -> bool:
    """Tell whether the archive has been away for longer than anybody wants to wait."""
    waited = select(func.clock_timestamp() - Job.first_failed_at > settings().give_up_after).where(
        Job.id == job.id
    )
    return bool(session.scalar(waited))
