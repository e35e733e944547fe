"""What a release is made of: its rows, its shards, its sessions and their chunks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import InstrumentedAttribute, selectinload
from sqlalchemy.orm import Session as Transaction

from spikemill.services.common.ledger.locks import BUILD_SESSIONS
from spikemill.services.common.models import (
    Build,
    BuildSource,
    Job,
    JobState,
    Release,
    Row,
    Session,
    Shard,
    ShardRow,
    SourceVersion,
)
from spikemill.services.common.row_format import row_groups
from spikemill.services.common.types import PlannedRow, PlannedShard, SplitName


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A session's chunk as the ledger knows it."""

    session: int
    name: str
    bytes: int


def release_of(transaction: Transaction, release_id: int) -> tuple[Release, Build]:
    """Return a release and its build."""
    release = transaction.get_one(Release, release_id)
    return release, transaction.get_one(Build, release.build_id)


def sources_of(transaction: Transaction, build_id: int) -> Sequence[SourceVersion]:
    """Return the source versions of a build, by name."""
    return transaction.scalars(
        select(SourceVersion)
        .join(BuildSource, BuildSource.source_version_id == SourceVersion.id)
        .where(BuildSource.build_id == build_id)
        .order_by(SourceVersion.name)
    ).all()


def _done_sessions(build_id: int) -> Select[int]:
    return (
        select(BUILD_SESSIONS.c.session_id)
        .join(Job, Job.session_id == BUILD_SESSIONS.c.session_id)
        .where(BUILD_SESSIONS.c.build_id == build_id, Job.state == JobState.DONE)
    )


def rows_of(transaction: Transaction, build_id: int) -> list[PlannedRow]:
    """Return every row of a build's done sessions."""
    query = _rows(Session.chunk, Session.chunk_sha256).where(Session.id.in_(_done_sessions(build_id)))
    return [PlannedRow(*row) for row in transaction.execute(query.order_by(Row.id))]


def shard_rows(transaction: Transaction, shard_id: int) -> tuple[Shard, PlannedShard]:
    """Return a shard, and its frozen rows as they were planned."""
    query = (
        _rows(ShardRow.chunk, ShardRow.chunk_sha256)
        .join(ShardRow, ShardRow.row_id == Row.id)
        .where(ShardRow.shard_id == shard_id)
        .order_by(ShardRow.position)
    )
    shard = transaction.get_one(Shard, shard_id)
    rows = [PlannedRow(*row) for row in transaction.execute(query)]
    split: SplitName = "test" if shard.split == "test" else "train"
    return shard, PlannedShard(shard.name, split, tuple(row_groups(rows)))


def _rows(
    chunk: InstrumentedAttribute[Any], chunk_sha256: InstrumentedAttribute[Any]
) -> Select[*tuple[Any, ...]]:
    """Select the fields of a `PlannedRow`, the chunk's as these columns say."""
    return (
        select(
            SourceVersion.name,
            func.coalesce(Session.subject_id, ""),
            Session.session_id,
            func.concat("segment_", Row.index),
            Row.tokens,
            Row.compressed_bytes,
            chunk,
            Row.row_group,
            chunk_sha256,
            Row.id,
        )
        .select_from(Row)
        .join(Session, Session.id == Row.session_id)
        .join(SourceVersion, SourceVersion.id == Session.source_version_id)
    )


def shards_of(transaction: Transaction, release_id: int) -> Sequence[Shard]:
    """Return the shards of a release, by name."""
    return transaction.scalars(select(Shard).where(Shard.release_id == release_id).order_by(Shard.name)).all()


def sessions_of(transaction: Transaction, release_id: int) -> Sequence[Session]:
    """Return the sessions whose rows a release froze, with their assets and sources."""
    frozen = (
        select(Row.session_id)
        .join(ShardRow, ShardRow.row_id == Row.id)
        .join(Shard, Shard.id == ShardRow.shard_id)
        .where(Shard.release_id == release_id)
    )
    return transaction.scalars(
        select(Session)
        .where(Session.id.in_(frozen))
        .options(
            selectinload(Session.assets), selectinload(Session.rows), selectinload(Session.source_version)
        )
        .order_by(Session.id)
    ).all()


def chunks_of(transaction: Transaction, build_id: int) -> list[StoredChunk]:
    """Return the chunks of a build's done sessions."""
    query = select(Session.id, Session.chunk, Session.chunk_bytes).where(
        Session.id.in_(_done_sessions(build_id))
    )
    found = transaction.execute(query.order_by(Session.id))
    return [StoredChunk(session, name or "", size or 0) for session, name, size in found]


def session_with_chunk(transaction: Transaction, chunk: str) -> int | None:
    """Return the session whose chunk has this name."""
    return transaction.scalar(select(Session.id).where(Session.chunk == chunk))
