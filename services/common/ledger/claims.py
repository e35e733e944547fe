"""One worker, one job: claim it, and keep it alive. Only the database's clock is used."""

import os
import socket
from dataclasses import dataclass
from uuid import uuid4

from sqlalchemy import ColumnElement, and_, func, insert, select, update
from sqlalchemy.orm import Session as Transaction

from services.common.data_format import FORMAT_ID
from services.common.errors import SpikemillError
from services.common.ledger.attempts import hand_back
from services.common.ledger.wanted import is_wanted
from services.common.models import Attempt, Job
from services.common.models.work import JobKind, JobState, Outcome
from services.common.owners import process_name
from services.common.settings import settings


class SupersededError(SpikemillError):
    """The job belongs to somebody else by now; what was done for it is dropped."""


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
    owner = f"{process_name(os.getpid())}:{uuid4().hex[:8]}"
    job = transaction.scalar(
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
            lease_worker=settings().worker,
            lease_boot=settings().boot,
            lease_expires=func.clock_timestamp() + settings().lease,
            started_at=func.clock_timestamp(),
            retry_until=None,
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
        .where(held_by(claim), is_wanted())
        .values(lease_expires=func.clock_timestamp() + settings().lease)
        .returning(Job.id)
    )
    if renewed is None:
        withdraw(transaction, claim)
    return renewed is not None


def withdraw(transaction: Transaction, claim: Claim) -> None:
    """Give back a job that nobody wants: a lease that runs out would count as a crash."""
    job = transaction.scalar(select(Job).where(held_by(claim)).with_for_update())
    if job is not None:
        hand_back(transaction, job, Outcome.WITHDRAWN)
