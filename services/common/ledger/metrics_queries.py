"""What is measured of the ledger from outside: a few statements, each over an index or one small table."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session as Transaction

_Measured = TypeVar("_Measured")
_BOUND = text("SET LOCAL statement_timeout = '5s'")
_READ_ONLY = text("SET TRANSACTION READ ONLY")
_JOBS = text("SELECT kind, state, count(*) AS jobs FROM jobs GROUP BY kind, state")
# A job that was given back has been ready since its attempt, at the earliest.
_READY = text("""
    SELECT
        job.kind, count(*) AS jobs,
        extract(
            epoch FROM clock_timestamp() - min(greatest(job.not_before, job.started_at))
        )::float AS oldest
    FROM jobs AS job
    WHERE job.state = 'ready' AND job.not_before <= clock_timestamp()
    AND (job.celery_retry_until IS NULL OR job.celery_retry_until <= clock_timestamp())
    AND job.id IN (SELECT job_id FROM needed_jobs)
    GROUP BY job.kind
""")
_SOURCES = text("""
    SELECT pile, source, word.state, word.sessions
    FROM progress, LATERAL (VALUES
        ('queued', queued), ('fetching', fetching), ('binning', binning),
        ('done', done), ('failed', failed), ('skipped', skipped)
    ) AS word (state, sessions)
    WHERE build_state = 'open'
""")
_TOKENS = text("SELECT pile, source, tokens FROM token_ledger WHERE build_state = 'open'")
_ATTEMPTS = text("""
    SELECT job.kind, attempt.outcome, count(*) AS attempts
    FROM attempts AS attempt JOIN jobs AS job ON job.id = attempt.job_id
    WHERE attempt.outcome IS NOT NULL GROUP BY job.kind, attempt.outcome
""")
_TRAFFIC = text("""
    SELECT
        source.name AS source,
        sum(asset.bytes_downloaded)::bigint AS bytes, sum(asset.range_requests)::bigint AS requests
    FROM assets AS asset
    JOIN sessions AS session ON session.id = asset.session_id
    JOIN source_versions AS source ON source.id = session.source_version_id
    GROUP BY source.name
""")
_LAST_ROUND = text("SELECT extract(epoch FROM swept_at)::float FROM ledger_mark")


@dataclass(frozen=True, slots=True)
class JobCount:
    """How many jobs of a kind are in a state."""

    kind: str
    state: str
    jobs: int


@dataclass(frozen=True, slots=True)
class ReadyCount:
    """How many jobs of a kind could run now, and for how many seconds the oldest of them could."""

    kind: str
    jobs: int
    oldest: float


@dataclass(frozen=True, slots=True)
class SourceCount:
    """How many sessions of a source in an open build are in a state."""

    pile: str
    source: str
    state: str
    sessions: int


@dataclass(frozen=True, slots=True)
class TokenSum:
    """How many tokens of a source an open build has."""

    pile: str
    source: str
    tokens: int


@dataclass(frozen=True, slots=True)
class AttemptCount:
    """How many attempts at jobs of a kind ended in one way."""

    kind: str
    outcome: str
    attempts: int


@dataclass(frozen=True, slots=True)
class TrafficSum:
    """How many bytes of a source's assets travelled, and in how many requests for parts of them."""

    source: str
    bytes: int
    requests: int


@dataclass(frozen=True, slots=True)
class Gauges:
    """Everything that is measured, at one moment; `last_round` is in seconds since 1970, by the database."""

    jobs: Sequence[JobCount]
    ready: Sequence[ReadyCount]
    sources: Sequence[SourceCount]
    tokens: Sequence[TokenSum]
    attempts: Sequence[AttemptCount]
    traffic: Sequence[TrafficSum]
    last_round: float | None


def read_gauges(transaction: Transaction) -> Gauges:
    """Measure the ledger; nobody waits for this, and a statement that takes too long is given up."""
    transaction.execute(_READ_ONLY)
    transaction.execute(_BOUND)

    def rows(kind: type[_Measured], statement: TextClause) -> Sequence[_Measured]:
        return [kind(**row._asdict()) for row in transaction.execute(statement)]

    return Gauges(
        jobs=rows(JobCount, _JOBS),
        ready=rows(ReadyCount, _READY),
        sources=rows(SourceCount, _SOURCES),
        tokens=rows(TokenSum, _TOKENS),
        attempts=rows(AttemptCount, _ATTEMPTS),
        traffic=rows(TrafficSum, _TRAFFIC),
        last_round=transaction.scalar(_LAST_ROUND),
    )
