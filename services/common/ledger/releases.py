"""From rows to a published release: the gate, the frozen list, its shards and its successor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, exists, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session as Transaction

from spikemill.services.common.errors import SupersededError
from spikemill.services.common.ledger.locks import BUILD_SESSIONS, lock_releases
from spikemill.services.common.ledger.pushes import copy_commit, copy_push_request
from spikemill.services.common.models import (
    Build,
    BuildState,
    Job,
    JobDependency,
    JobKind,
    JobState,
    Release,
    ReleaseState,
    Shard,
    ShardRow,
)
from spikemill.services.common.row_format import FORMAT_ID
from spikemill.services.common.types import PlannedShard

_READY_TO_FREEZE = text("""
    SELECT gate.release_id FROM releases_ready_to_freeze AS gate
    WHERE NOT EXISTS (SELECT FROM jobs AS job WHERE job.release_id = gate.release_id)
    ORDER BY gate.release_id
""")


def fire_gates(transaction: Transaction) -> None:
    """Queue the freezing of each release whose sources are all complete."""
    if transaction.scalar(_READY_TO_FREEZE) is None:
        return
    # Checked again under the lock: a session may just have been reopened.
    lock_releases(transaction)
    for release_id in transaction.scalars(_READY_TO_FREEZE).all():
        transaction.execute(
            upsert(Job)
            .values(kind=JobKind.FREEZE, state=JobState.READY, release_id=release_id, format_id=FORMAT_ID)
            .on_conflict_do_nothing(index_elements=["release_id", "kind"])
        )


def record_shard(transaction: Transaction, shard_id: int, *, size: int, sha256: str) -> None:
    """Record a shard that is in the store."""
    transaction.execute(update(Shard).where(Shard.id == shard_id).values(bytes=size, sha256=sha256))


def is_in_progress(transaction: Transaction, release_id: int) -> bool:
    """Tell whether the release is frozen and its build still open, and keep it so for this transaction.

    Asked just before the pile is switched.
    """
    lock_releases(transaction)
    is_wanted = (
        exists()
        .where(Release.id == release_id, Release.state == ReleaseState.FROZEN)
        .where(Build.id == Release.build_id, Build.state == BuildState.OPEN)
    )
    return bool(transaction.scalar(select(is_wanted)))


def outdate_releases_of(transaction: Transaction, sessions: Select[int] | Sequence[int]) -> None:
    """Replace each release in progress that may name one of the sessions by one that is still to be frozen.

    The caller locked the releases before it changed the sessions.
    """
    builds = select(BUILD_SESSIONS.c.build_id).where(BUILD_SESSIONS.c.session_id.in_(sessions))
    freezing = (Job.release_id == Release.id) & (Job.kind == JobKind.FREEZE)
    touched = transaction.scalars(
        select(Release)
        .join(Job, freezing)
        .where(Release.state.in_([ReleaseState.WAITING, ReleaseState.FROZEN]), Release.build_id.in_(builds))
        .with_for_update(of=Release)
    ).all()
    for release in touched:
        replace_release(transaction, release)


def replace_release(transaction: Transaction, release: Release) -> None:
    """Outdate a release, and ask for it again with the same parameters and push."""
    release.state = ReleaseState.OUTDATED
    transaction.flush()
    again = Release(
        build_id=release.build_id,
        parameters=release.parameters,
        allow_missing=release.allow_missing,
        state=ReleaseState.WAITING,
    )
    copy_push_request(again, release)
    transaction.add(again)
    transaction.flush()


@dataclass(frozen=True, slots=True)
class FrozenRelease:
    """All that the plan of a release decides."""

    digest: str
    list_digest: str
    split: Mapping[str, Any]
    texts: Mapping[str, Any]
    missing: Sequence[Mapping[str, Any]]
    shards: Sequence[PlannedShard]


def freeze(transaction: Transaction, release_id: int, frozen: FrozenRelease) -> None:
    """Freeze a release and queue its shards and its assembly.

    Raises SupersededError when the release is no longer waiting.
    """
    release = transaction.scalar(
        select(Release)
        .where(Release.id == release_id, Release.state == ReleaseState.WAITING)
        .with_for_update()
    )
    if release is None:
        raise SupersededError(f"Release {release_id} is no longer waiting.")
    _outdate_twin(transaction, release, frozen.digest)
    release.state = ReleaseState.FROZEN
    release.digest = frozen.digest
    release.list_digest = frozen.list_digest
    release.split = dict(frozen.split)
    release.card_metadata = dict(frozen.texts)
    release.missing = list(frozen.missing)
    release.frozen_at = func.clock_timestamp()
    transaction.flush()
    shard_jobs = [_add_shard(transaction, release_id, shard) for shard in frozen.shards]
    assembly = Job(kind=JobKind.ASSEMBLE, state=JobState.BLOCKED, release_id=release_id, format_id=FORMAT_ID)
    transaction.add(assembly)
    transaction.flush()
    transaction.add_all(JobDependency(job_id=assembly.id, needs_id=job) for job in shard_jobs)


def _outdate_twin(transaction: Transaction, release: Release, digest: str) -> None:
    """Let this release replace an earlier one with the same list."""
    twin = transaction.scalar(
        update(Release)
        .where(Release.digest == digest, Release.id != release.id, Release.state != ReleaseState.OUTDATED)
        .values(state=ReleaseState.OUTDATED)
        .returning(Release)
    )
    if twin is not None:
        copy_commit(release, twin)


def _add_shard(transaction: Transaction, release_id: int, planned: PlannedShard) -> int:
    """Add a shard with its rows; return the job that writes it."""
    shard = Shard(
        release_id=release_id,
        split=planned.split,
        name=planned.name,
        n_rows=len(planned.rows),
        tokens=planned.tokens,
    )
    transaction.add(shard)
    transaction.flush()
    rows = [
        {
            "shard_id": shard.id,
            "position": position,
            "row_id": row.row_id,
            "chunk": row.chunk,
            "chunk_sha256": row.chunk_sha256,
        }
        for position, row in enumerate(planned.rows)
    ]
    transaction.execute(insert(ShardRow), rows)
    job = Job(kind=JobKind.SHARD, state=JobState.READY, shard_id=shard.id, format_id=FORMAT_ID)
    transaction.add(job)
    transaction.flush()
    return job.id
