"""What is made again because its output is missing or damaged, and which files nothing needs."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session as Transaction

from spikemill.services.common.ledger.jobs import mark_dead
from spikemill.services.common.ledger.locks import lock_releases, reset_jobs
from spikemill.services.common.ledger.pushes import is_push_requested, restart_push
from spikemill.services.common.ledger.releases import replace_release
from spikemill.services.common.ledger.sessions import restart_session
from spikemill.services.common.models import (
    Build,
    BuildState,
    Job,
    JobKind,
    JobState,
    LedgerMark,
    Release,
    ReleaseState,
    Row,
    Session,
    Shard,
    ShardRow,
)

_MAX_REOPENED = 3


def reopen_session(transaction: Transaction, session_id: int, reason: str) -> None:
    """Make a session's chunk again because it is missing or damaged; too often, and the session is dead."""
    restart_session(transaction, session_id)
    transaction.execute(update(Session).where(Session.id == session_id).values(chunk=None))
    job = transaction.scalars(select(Job).where(Job.session_id == session_id).with_for_update()).one()
    _count_reopened(transaction, job, reason)


def reopen_release(transaction: Transaction, release_id: int, lost_shards: Sequence[int]) -> None:
    """Write lost shards of a published release again, and assemble it once more.

    Where their chunks were pruned, the whole release is made again.
    """
    lock_releases(transaction)
    release = transaction.get_one(Release, release_id, with_for_update=True)
    transaction.execute(update(Build).where(Build.id == release.build_id).values(state=BuildState.OPEN))
    if _need_pruned_chunks(transaction, lost_shards):
        replace_release(transaction, release)
        return
    release.state = ReleaseState.FROZEN
    transaction.flush()
    lost = select(Job).where(Job.shard_id.in_(lost_shards), Job.state == JobState.DONE).order_by(Job.id)
    for job in transaction.scalars(lost.with_for_update()).all():
        _write_again(transaction, job)
    reset_jobs(transaction, _assembly_of(release_id), JobState.BLOCKED)
    if is_push_requested(release):
        restart_push(transaction, release_id)


def reopen_while_pushed(
    transaction: Transaction, release_id: int, lost_shards: Sequence[int], reason: str
) -> None:
    """Make again what a push found damaged: shards, or else the small files; too often, and it is dead.

    Nothing happens unless the release is published and its push is still requested.
    """
    lock_releases(transaction)
    release = transaction.get_one(Release, release_id)
    build = transaction.get_one(Build, release.build_id)
    is_published = release.state is ReleaseState.PUBLISHED and build.state is BuildState.OPEN
    if not (is_published and is_push_requested(release)):
        return
    reopen_release(transaction, release_id, lost_shards)
    damaged = Job.shard_id.in_(lost_shards) if lost_shards else _assembly_of(release_id)
    for job in transaction.scalars(select(Job).where(damaged).order_by(Job.id).with_for_update()).all():
        _count_reopened(transaction, job, reason)


def _need_pruned_chunks(transaction: Transaction, shards: Sequence[int]) -> bool:
    """Tell whether a row of these shards came from a chunk that its session no longer has."""
    pruned = (
        select(ShardRow.row_id)
        .join(Row, Row.id == ShardRow.row_id)
        .join(Session, Session.id == Row.session_id)
        .where(ShardRow.shard_id.in_(shards), Session.chunk.is_distinct_from(ShardRow.chunk))
        .exists()
    )
    return bool(transaction.scalar(select(pruned)))


def reopen_shard(transaction: Transaction, shard_id: int, reason: str) -> None:
    """Write a damaged shard again, and then assemble its release; too often, and it is dead.

    Nothing happens where the shard is being written again already, or its release is no longer in progress.
    """
    lock_releases(transaction)
    shard = transaction.get_one(Shard, shard_id)
    release = transaction.get_one(Release, shard.release_id)
    job = transaction.scalars(select(Job).where(Job.shard_id == shard_id).with_for_update()).one()
    if release.state is not ReleaseState.FROZEN or job.state is not JobState.DONE:
        return
    reset_jobs(transaction, _assembly_of(release.id), JobState.BLOCKED)
    _write_again(transaction, job)
    _count_reopened(transaction, job, reason)


def _assembly_of(release_id: int) -> ColumnElement[bool]:
    return (Job.release_id == release_id) & (Job.kind == JobKind.ASSEMBLE)


def _write_again(transaction: Transaction, job: Job) -> None:
    """Start the job of a shard again, and forget the file that it wrote."""
    reset_jobs(transaction, Job.id == job.id, JobState.READY)
    transaction.execute(update(Shard).where(Shard.id == job.shard_id).values(bytes=None, sha256=None))


def _count_reopened(transaction: Transaction, job: Job, reason: str) -> None:
    """Bound how often the same output may be lost."""
    job.rebuild_count += 1
    if job.rebuild_count > _MAX_REOPENED:
        job.error_class = "DamagedOutputError"
        job.error = f"{reason} It was made {job.rebuild_count} times; check the store's disk, then retry."
        job.rebuild_count = 0
        mark_dead(transaction, job)


def ledger_id(transaction: Transaction) -> UUID:
    """Return the ledger's own id."""
    return transaction.scalars(select(LedgerMark.ledger_id)).one()


def is_abandoned_draft(transaction: Transaction, job_id: int, attempt: int) -> bool:
    """Tell whether the attempt that wrote a draft is over."""
    job = transaction.scalar(select(Job).where(Job.id == job_id).with_for_update())
    return job is None or job.attempt != attempt or job.state is not JobState.RUNNING


def chunk_names(transaction: Transaction) -> set[str]:
    """Return the names of all chunks that sessions name."""
    return {name for name in transaction.scalars(select(Session.chunk)) if name is not None}


def is_spare_chunk(transaction: Transaction, name: str, identity_prefix: str) -> bool:
    """Tell whether no session names the chunk, and none is about to."""
    session = transaction.scalar(select(Session).where(Session.identity.startswith(identity_prefix)))
    if session is None:
        return True
    job = transaction.scalars(select(Job).where(Job.session_id == session.id).with_for_update()).one()
    transaction.refresh(session)
    return session.chunk != name and job.state is not JobState.RUNNING


def is_spare_release(transaction: Transaction, digest: str) -> bool:
    """Tell, until the transaction ends, whether no release needs the folder that this digest names."""
    lock_releases(transaction)
    releases = transaction.scalars(select(Release).where(Release.digest == digest)).all()
    if any(release.state is not ReleaseState.OUTDATED for release in releases):
        return False
    numbers = [release.id for release in releases]
    shards = select(Shard.id).where(Shard.release_id.in_(numbers))
    jobs = Job.shard_id.in_(shards) | Job.release_id.in_(numbers)
    running = select(Job.id).where(jobs, Job.state == JobState.RUNNING).exists()
    return not transaction.scalar(select(running))
