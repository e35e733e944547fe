"""What a release is made of: its rows, its shards, its sessions and what is missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session as Transaction
from sqlalchemy.orm import selectinload

from spikemill.services.common.ledger.locks import BUILD_SESSIONS
from spikemill.services.common.models import (
    Build,
    BuildSource,
    Job,
    Release,
    Row,
    Session,
    Shard,
    ShardRow,
    SourceVersion,
)
from spikemill.services.common.models.jobs import JobState


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A row, the names that it bears, and where its column pages stand."""

    row_id: int
    source: str
    subject: str
    session: str
    index: int
    tokens: int
    compressed_bytes: int
    row_group: int
    chunk: str
    chunk_sha256: str


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A session's chunk as the ledger knows it."""

    session: int
    name: str
    bytes: int


@dataclass(frozen=True, slots=True)
class MissingSession:
    """A session that a release goes without: `skipped` is the person's reason, or None where it failed."""

    source: str
    key: str
    skipped: str | None


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


def _rows() -> Select[*tuple[Any, ...]]:
    return (
        select(
            Row.id,
            SourceVersion.name,
            func.coalesce(Session.subject_id, ""),
            Session.session_id,
            Row.index,
            Row.tokens,
            Row.compressed_bytes,
            Row.row_group,
        )
        .join(Session, Session.id == Row.session_id)
        .join(SourceVersion, SourceVersion.id == Session.source_version_id)
    )


def rows_of(transaction: Transaction, build_id: int) -> list[StoredRow]:
    """Return every row of a build's done sessions."""
    query = (
        _rows()
        .add_columns(Session.chunk, Session.chunk_sha256)
        .where(Session.id.in_(_done_sessions(build_id)))
        .order_by(Row.id)
    )
    return [StoredRow(*row) for row in transaction.execute(query)]


def shard_rows(transaction: Transaction, shard_id: int) -> tuple[Shard, list[StoredRow]]:
    """Return a shard and its frozen rows in order."""
    query = (
        _rows()
        .add_columns(ShardRow.chunk, ShardRow.chunk_sha256)
        .join(ShardRow, ShardRow.row_id == Row.id)
        .where(ShardRow.shard_id == shard_id)
        .order_by(ShardRow.position)
    )
    rows = [StoredRow(*row) for row in transaction.execute(query)]
    return transaction.get_one(Shard, shard_id), rows


def shards_of(transaction: Transaction, release_id: int) -> Sequence[Shard]:
    """Return the shards of a release, by name."""
    return transaction.scalars(select(Shard).where(Shard.release_id == release_id).order_by(Shard.name)).all()


def digest_of_shard(transaction: Transaction, shard_id: int) -> str:
    """Return the digest of the release that a shard is part of."""
    found = transaction.scalars(
        select(Release.digest).join(Shard, Shard.release_id == Release.id).where(Shard.id == shard_id)
    ).one()
    return found or ""


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


def missing_from(transaction: Transaction, build_id: int) -> list[MissingSession]:
    """Return the sessions of a build that are skipped or dead."""
    query = (
        select(SourceVersion.name, Session.key, Job.skipped_because)
        .join(SourceVersion, SourceVersion.id == Session.source_version_id)
        .join(BUILD_SESSIONS, BUILD_SESSIONS.c.session_id == Session.id)
        .join(Job, Job.session_id == Session.id)
        .where(BUILD_SESSIONS.c.build_id == build_id, Job.state != JobState.DONE)
        .order_by(SourceVersion.name, Session.ordinal)
    )
    return [MissingSession(*row) for row in transaction.execute(query)]


def session_with_chunk(transaction: Transaction, chunk: str) -> int | None:
    """Return the session whose chunk bears this name."""
    return transaction.scalar(select(Session.id).where(Session.chunk == chunk))
