"""The list of rows that a release freezes, shard by shard, and the jobs that write it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session as Transaction

from services.common.data_format import FORMAT_ID
from services.common.ledger.claims import SupersededError
from services.common.ledger.push_wishes import inherit_commit
from services.common.models import Job, JobDependency, Release, Shard, ShardRow
from services.common.models.builds import ReleaseState
from services.common.models.work import JobKind, JobState


@dataclass(frozen=True, slots=True)
class FrozenRow:
    """A row in its place: the list that a release freezes."""

    row_id: int
    chunk: str
    chunk_sha256: str


@dataclass(frozen=True, slots=True)
class FrozenShard:
    """A shard as it was planned."""

    split: str
    name: str
    tokens: int
    rows: Sequence[FrozenRow]


@dataclass(frozen=True, slots=True)
class FrozenRelease:
    """All that a release's plan decides."""

    digest: str
    list_digest: str
    split: Mapping[str, Any]
    texts: Mapping[str, Any]
    missing: Sequence[Mapping[str, Any]]
    shards: Sequence[FrozenShard]


def freeze(transaction: Transaction, release_id: int, frozen: FrozenRelease) -> None:
    """Freeze a release and queue its shards and its assembly.

    Raises SupersededError when the release is no longer the one that is wanted.
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
    release.texts = dict(frozen.texts)
    release.missing = list(frozen.missing)
    release.frozen_at = func.clock_timestamp()
    transaction.flush()
    shards = [_add_shard(transaction, release_id, shard) for shard in frozen.shards]
    _add_assembly(transaction, release_id, shards)


def _outdate_twin(transaction: Transaction, release: Release, digest: str) -> None:
    """Let this release take the place of an earlier one that came to the same list."""
    twin = transaction.scalar(
        update(Release)
        .where(Release.digest == digest, Release.id != release.id, Release.state != ReleaseState.OUTDATED)
        .values(state=ReleaseState.OUTDATED)
        .returning(Release)
    )
    if twin is not None:
        inherit_commit(release, twin)


def _add_shard(transaction: Transaction, release_id: int, planned: FrozenShard) -> int:
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


def _add_assembly(transaction: Transaction, release_id: int, shard_jobs: Sequence[int]) -> None:
    assembly = Job(kind=JobKind.ASSEMBLE, state=JobState.BLOCKED, release_id=release_id, format_id=FORMAT_ID)
    transaction.add(assembly)
    transaction.flush()
    transaction.add_all(JobDependency(job_id=assembly.id, needs_id=job) for job in shard_jobs)
