"""What people ask of the ledger: progress, tokens, failures, and whether a build can still go on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session as Transaction


@dataclass(frozen=True, slots=True)
class SourceProgress:
    """How many sessions of one source of a build stand where."""

    source: str
    plan_state: str
    sealed: bool
    sessions: int
    queued: int
    fetching: int
    binning: int
    done: int
    failed: int
    waived: int


@dataclass(frozen=True, slots=True)
class TokenCount:
    """What was counted of one source of a build, beside what was expected."""

    source: str
    sessions: int
    subjects: int
    rows: int
    tokens: int
    spikes: int
    clipped: int
    left_out: int
    bytes: int
    expected_sessions: int | None
    expected_subjects: int | None
    expected_tokens: int | None


@dataclass(frozen=True, slots=True)
class Failure:
    """A job whose last attempt ended in an error."""

    kind: str
    state: str
    source: str
    session: str
    file: str | None
    attempt: int
    failures: int
    crashes: int
    error_class: str | None
    error: str
    not_before: datetime


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A session that a build goes without: waived with a person's reason, or failed with an error."""

    source: str
    session: str
    file: str
    waived_because: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class AssetBytes:
    """How many bytes of assets a build reads, and how many of them need no more work."""

    total: int
    settled: int


@dataclass(frozen=True, slots=True)
class BuildStatus:
    """A build and its newest release.

    `runnable` counts the jobs that may still run; `silent_for` is the time since the sweeper last ended a
    round, in seconds.
    """

    build: int
    pile: str
    state: str
    release: int
    release_state: str
    digest: str | None
    runnable: int
    shards: int
    shards_done: int
    tokens_done: int
    silent_for: float


def _texts(row: Row[Any]) -> dict[str, Any]:
    return dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it


_NEWEST_BUILD = text("""
    SELECT id FROM builds
    WHERE CAST(:pile AS text) IS NULL OR pile = :pile
    ORDER BY
        (state = 'open') DESC,
        (SELECT max(release.id) FROM releases AS release WHERE release.build_id = builds.id) DESC
    LIMIT 1
""")


def newest_build(transaction: Transaction, pile: str | None = None) -> int | None:
    """Return the build that people mean when they name none: the open one, else the newest."""
    build: int | None = transaction.scalar(_NEWEST_BUILD, {"pile": pile})
    return build


_SUCCESSOR = text("""
    SELECT next.id FROM builds AS this
    JOIN builds AS next ON next.pile = this.pile AND next.state = 'open' AND next.id <> this.id
    WHERE this.id = :build AND next.session_limit IS NOT DISTINCT FROM this.session_limit
    AND NOT EXISTS (
        SELECT FROM build_sources AS part
        WHERE part.build_id = this.id AND part.source_version_id NOT IN (
            SELECT source_version_id FROM build_sources WHERE build_id = next.id
        )
    )
""")


def successor_of(transaction: Transaction, build: int) -> int | None:
    """Return the open build that holds all sources of this one and more: what `queue` makes of it."""
    successor: int | None = transaction.scalar(_SUCCESSOR, {"build": build})
    return successor


_PROGRESS = text("""
    SELECT source, plan_state, sealed, sessions, queued, fetching, binning, done, failed, waived
    FROM progress WHERE build_id = :build ORDER BY source
""")


def progress_of(transaction: Transaction, build: int) -> Sequence[SourceProgress]:
    """Return how far each source of a build has come."""
    return [SourceProgress(**_texts(row)) for row in transaction.execute(_PROGRESS, {"build": build})]


_TOKENS = text("""
    SELECT source, sessions, subjects, rows, tokens, spikes, clipped, left_out, bytes,
        expected_sessions, expected_subjects, expected_tokens
    FROM token_ledger WHERE build_id = :build ORDER BY tokens DESC, source
""")


def tokens_of(transaction: Transaction, build: int) -> Sequence[TokenCount]:
    """Return the token ledger of a build, the largest source first."""
    return [TokenCount(**_texts(row)) for row in transaction.execute(_TOKENS, {"build": build})]


_FAILURES = text("""
    SELECT kind, state, source, session, file, attempt, failures, crashes, error_class, error, not_before
    FROM failures WHERE build_id = :build ORDER BY state, source, session, job_id
""")


def failures_of(transaction: Transaction, build: int) -> Sequence[Failure]:
    """Return what failed in a build and is not done since."""
    return [Failure(**_texts(row)) for row in transaction.execute(_FAILURES, {"build": build})]


_LEFT_OUT = text("""
    SELECT
        source.name AS source,
        concat_ws('/', source.name, session.subject_id, session.session_id) AS session,
        session.key AS file, counting.waived_because, coalesce(counting.error, copies.error) AS error
    FROM build_sessions AS wanted
    JOIN session_states AS state ON state.session_id = wanted.session_id
    JOIN sessions AS session ON session.id = wanted.session_id
    JOIN source_versions AS source ON source.id = session.source_version_id
    JOIN jobs AS counting ON counting.session_id = session.id
    LEFT JOIN LATERAL (
        SELECT job.error FROM assets AS asset JOIN jobs AS job ON job.asset_id = asset.id
        WHERE asset.session_id = session.id AND job.state = 'dead' ORDER BY asset.position LIMIT 1
    ) AS copies ON true
    WHERE wanted.build_id = :build AND state.state IN ('failed', 'waived')
    ORDER BY source.name, session.ordinal
""")


def left_out_of(transaction: Transaction, build: int) -> Sequence[LeftOut]:
    """Return the sessions that a build goes without, whether it is open or not."""
    return [LeftOut(**_texts(row)) for row in transaction.execute(_LEFT_OUT, {"build": build})]


_ASSET_BYTES = text("""
    SELECT
        coalesce(sum(asset.size), 0)::bigint AS total,
        coalesce(
            sum(asset.size) FILTER (WHERE state.state IN ('done', 'failed', 'waived')), 0
        )::bigint AS settled
    FROM build_sessions AS wanted
    JOIN session_states AS state ON state.session_id = wanted.session_id
    JOIN assets AS asset ON asset.session_id = wanted.session_id
    WHERE wanted.build_id = :build
""")


def asset_bytes_of(transaction: Transaction, build: int) -> AssetBytes:
    """Return how much of a build's input is done with, by the sizes of its listings."""
    return AssetBytes(**_texts(transaction.execute(_ASSET_BYTES, {"build": build}).one()))


# A fetch that waits for room can run unless its session failed; what waits for a failed job cannot.
_STATUS = text("""
    SELECT
        build.id AS build, build.pile, build.state, release.id AS release,
        release.state AS release_state, release.digest,
        CASE WHEN build.state = 'open' THEN (
            SELECT count(*) FROM wanted_jobs AS wanted
            JOIN jobs AS job ON job.id = wanted.job_id
            WHERE wanted.build_id = build.id AND job.state IN ('ready', 'running')
        ) + (
            SELECT count(*) FROM build_sessions AS wanted
            JOIN session_states AS session ON session.session_id = wanted.session_id
            WHERE wanted.build_id = build.id AND release.state = 'waiting'
            AND session.state IN ('queued', 'fetching', 'binning')
        ) + (
            SELECT count(*) FROM releases_ready_to_freeze AS gate WHERE gate.release_id = release.id
            AND NOT EXISTS (SELECT FROM jobs AS job WHERE job.release_id = release.id)
        ) + (
            SELECT count(*) FROM jobs AS job
            WHERE job.release_id = release.id AND job.state = 'blocked' AND NOT EXISTS (
                SELECT FROM job_dependencies AS need JOIN jobs AS needed ON needed.id = need.needs_id
                WHERE need.job_id = job.id AND needed.state = 'dead'
            )
        ) ELSE 0 END AS runnable,
        (SELECT count(*) FROM shards AS shard WHERE shard.release_id = release.id) AS shards,
        (
            SELECT count(*) FROM shards AS shard
            WHERE shard.release_id = release.id AND shard.sha256 IS NOT NULL
        ) AS shards_done,
        (SELECT coalesce(sum(tokens), 0)::bigint FROM token_ledger WHERE build_id = build.id) AS tokens_done,
        (
            SELECT coalesce(extract(epoch FROM clock_timestamp() - swept_at), 0)::float FROM ledger_mark
        ) AS silent_for
    FROM builds AS build
    JOIN LATERAL (
        SELECT * FROM releases WHERE build_id = build.id
        ORDER BY (state IN ('waiting', 'frozen')) DESC, (state = 'published') DESC, id DESC LIMIT 1
    ) AS release ON true
    WHERE build.id = :build
""")


def status_of(transaction: Transaction, build: int) -> BuildStatus:
    """Return where a build stands as a whole."""
    return BuildStatus(**_texts(transaction.execute(_STATUS, {"build": build}).one()))
