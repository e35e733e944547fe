"""Which files may go: asked under a lock of the job that could still write them."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session as Transaction

from services.common.ledger.locks import lock_releases
from services.common.models import Job, LedgerMark, Release, Session, Shard
from services.common.models.builds import ReleaseState
from services.common.models.work import JobState


def ledger_id(transaction: Transaction) -> UUID:
    """Return the ledger's own name."""
    return transaction.scalars(select(LedgerMark.ledger_id)).one()


def is_abandoned_draft(transaction: Transaction, job_id: int, attempt: int) -> bool:
    """Tell whether the attempt that wrote a draft is over."""
    job = transaction.scalar(select(Job).where(Job.id == job_id).with_for_update())
    return job is None or job.attempt != attempt or job.state is not JobState.RUNNING


def chunk_names(transaction: Transaction) -> set[str]:
    """Return the names of all chunks that sessions name."""
    return {name for name in transaction.scalars(select(Session.chunk)) if name is not None}


def is_spare_chunk(transaction: Transaction, name: str, identity_prefix: str) -> bool:
    """Tell whether no session names the chunk, and nobody is about to."""
    session = transaction.scalar(select(Session).where(Session.identity.startswith(identity_prefix)))
    if session is None:
        return True
    job = transaction.scalars(select(Job).where(Job.session_id == session.id).with_for_update()).one()
    transaction.refresh(session)
    return session.chunk != name and job.state is not JobState.RUNNING


def is_spare_release(transaction: Transaction, digest: str) -> bool:
    """Tell whether a release's folder belongs to none that stands or is being made, until the end."""
    lock_releases(transaction)
    releases = transaction.scalars(select(Release).where(Release.digest == digest)).all()
    if any(release.state is not ReleaseState.OUTDATED for release in releases):
        return False
    numbers = [release.id for release in releases]
    shards = select(Shard.id).where(Shard.release_id.in_(numbers))
    works = Job.shard_id.in_(shards) | Job.release_id.in_(numbers)
    running = select(Job.id).where(works, Job.state == JobState.RUNNING).exists()
    return not transaction.scalar(select(running))
