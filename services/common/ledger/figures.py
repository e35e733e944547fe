"""What people ask of a build's sources and sessions: progress, tokens, failures, what is left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session as Transaction

from services.common.catalogue.reader_options import ESTIMATING_READERS


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
    """What was counted of one source of a build, beside what was expected.

    `estimated_tokens` are those whose counts were made of rates, not of spikes: all or none of a source's.
    """

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
    estimated_tokens: int


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


_PROGRESS = text("""
    SELECT source, plan_state, sealed, sessions, queued, fetching, binning, done, failed, waived
    FROM progress WHERE build_id = :build ORDER BY source
""")


def progress_of(transaction: Transaction, build: int) -> Sequence[SourceProgress]:
    """Return how far each source of a build has come."""
    return [SourceProgress(**row._asdict()) for row in transaction.execute(_PROGRESS, {"build": build})]


_TOKENS = text("""
    SELECT source, sessions, subjects, rows, tokens, spikes, clipped, left_out, bytes,
        expected_sessions, expected_subjects, expected_tokens,
        CASE WHEN reader = ANY (:estimating) THEN tokens ELSE 0 END AS estimated_tokens
    FROM token_ledger WHERE build_id = :build ORDER BY tokens DESC, source
""")


def tokens_of(transaction: Transaction, build: int) -> Sequence[TokenCount]:
    """Return the token ledger of a build, the largest source first."""
    values = {"build": build, "estimating": sorted(ESTIMATING_READERS)}
    return [TokenCount(**row._asdict()) for row in transaction.execute(_TOKENS, values)]


_FAILURES = text("""
    SELECT kind, state, source, session, file, attempt, failures, crashes, error_class, error, not_before
    FROM failures WHERE build_id = :build ORDER BY state, source, session, job_id
""")


def failures_of(transaction: Transaction, build: int) -> Sequence[Failure]:
    """Return what failed in a build and is not done since."""
    return [Failure(**row._asdict()) for row in transaction.execute(_FAILURES, {"build": build})]


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
    return [LeftOut(**row._asdict()) for row in transaction.execute(_LEFT_OUT, {"build": build})]


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
    return AssetBytes(**transaction.execute(_ASSET_BYTES, {"build": build}).one()._asdict())
