"""What monitoring asks of the ledger: health checks and metrics.

A health check is a short process, many times an hour: it loads psycopg but not SQLAlchemy, which takes long.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import Connection
    from sqlalchemy.orm import Session as Transaction

_PATIENCE = 3
_DRIVER = re.compile(r"^postgres(?:ql)?(?:\+\w+)?://")
_SWEEPER = "SELECT extract(epoch FROM clock_timestamp() - heartbeat_at)::float FROM ledger_mark"
# Lease owners are host:process:random.
_WORKER = """
    SELECT
        (
            SELECT extract(epoch FROM clock_timestamp() - heartbeat_at)::float FROM ledger_mark
        ) AS sweeper_silent_for,
        (
            SELECT count(*) FROM jobs AS job
            WHERE job.state = 'running' AND job.lease_expires > clock_timestamp()
            AND regexp_replace(job.lease_owner, ':[^:]*$', '') = ANY (%(processes)s)
        ) AS held,
        (
            SELECT extract(epoch FROM clock_timestamp() - min(job.sent_at))::float
            FROM jobs AS job, LATERAL (
                SELECT FROM needed_jobs AS wanted WHERE wanted.job_id = job.id LIMIT 1
            ) AS is_wanted
            WHERE job.state = 'ready' AND job.kind = ANY (%(kinds)s) AND job.not_before <= clock_timestamp()
            AND job.sent_at < clock_timestamp() - %(grace)s
        ) AS oldest_message
"""
# Labels come first, then values; each statement reads an index or one small table.
_GAUGES = {
    "jobs": "SELECT kind, state, count(*) FROM jobs GROUP BY kind, state",
    # A job that was given back has been ready since its attempt, at the earliest.
    "ready": """
        SELECT
            job.kind, count(*),
            extract(epoch FROM clock_timestamp() - min(greatest(job.not_before, job.started_at)))::float
        FROM jobs AS job
        WHERE job.state = 'ready' AND job.not_before <= clock_timestamp()
        AND (job.celery_retry_until IS NULL OR job.celery_retry_until <= clock_timestamp())
        AND job.id IN (SELECT job_id FROM needed_jobs)
        GROUP BY job.kind
    """,
    "sources": """
        SELECT pile, source, word.state, word.sessions
        FROM progress, LATERAL (VALUES
            ('queued', queued), ('fetching', fetching), ('binning', binning),
            ('done', done), ('failed', failed), ('skipped', skipped)
        ) AS word (state, sessions)
        WHERE build_state = 'open'
    """,
    "tokens": "SELECT pile, source, tokens FROM token_ledger WHERE build_state = 'open'",
    "attempts": """
        SELECT job.kind, attempt.outcome, count(*)
        FROM attempts AS attempt JOIN jobs AS job ON job.id = attempt.job_id
        WHERE attempt.outcome IS NOT NULL GROUP BY job.kind, attempt.outcome
    """,
    "traffic": """
        SELECT source.name, sum(asset.bytes_downloaded)::bigint, sum(asset.range_requests)::bigint
        FROM assets AS asset
        JOIN sessions AS session ON session.id = asset.session_id
        JOIN source_versions AS source ON source.id = session.source_version_id
        GROUP BY source.name
    """,
}
_LAST_ROUND = "SELECT extract(epoch FROM heartbeat_at)::float FROM ledger_mark"


@dataclass(frozen=True, slots=True)
class WorkerHealth:
    """How many jobs a worker's processes hold; and how long a message to it has waited, if for too long."""

    sweeper_silent_for: float | None
    held: int
    oldest_message: float | None


def health_of_sweeper(database: str) -> float | None:
    """Return for how many seconds no round of any sweeper has begun; None where none ever did."""
    with _connection(database) as connection:
        [silence] = connection.execute(_SWEEPER).fetchone() or [None]
    return silence


def health_of_worker(
    database: str, processes: Sequence[str], kinds: Sequence[str], grace: timedelta
) -> WorkerHealth:
    """Return the health of a worker, given its processes as host:process and the kinds of jobs that it runs.

    A message may wait for as long as the grace.
    """
    asked = {"processes": list(processes), "kinds": list(kinds), "grace": grace}
    with _connection(database) as connection:
        [found] = connection.execute(_WORKER, asked).fetchall()
    return WorkerHealth(*found)


@contextmanager
def _connection(database: str) -> Iterator["Connection"]:
    """Connect to an address that may name a driver, as SQLAlchemy takes it."""
    import psycopg  # noqa: PLC0415 - the sweeper's metrics need only what SQLAlchemy loads later

    address = _DRIVER.sub("postgresql://", database)
    options = f"-c statement_timeout={_PATIENCE}s"
    with psycopg.connect(address, connect_timeout=_PATIENCE, options=options) as connection:
        yield connection


@dataclass(frozen=True, slots=True)
class Gauges:
    """Everything that is measured, at one moment: rows of labels and values.

    Sources, tokens and ready jobs are those of open builds; `last_round` is in seconds since 1970, by the
    database.
    """

    jobs: Sequence[tuple[str, str, int]]  # kind, state, jobs
    ready: Sequence[tuple[str, int, float]]  # kind, jobs, for how many seconds the oldest could have run
    sources: Sequence[tuple[str, str, str, int]]  # pile, source, state, sessions
    tokens: Sequence[tuple[str, str, int]]  # pile, source, tokens
    attempts: Sequence[tuple[str, str, int]]  # kind, outcome, attempts
    traffic: Sequence[tuple[str, int, int]]  # source, bytes that were received, range requests
    last_round: float | None


def read_gauges(transaction: "Transaction") -> Gauges:
    """Measure the ledger; a statement that takes too long is cancelled."""
    connection = transaction.connection()
    connection.exec_driver_sql("SET TRANSACTION READ ONLY")
    connection.exec_driver_sql("SET LOCAL statement_timeout = '5s'")
    rows: dict[str, Any] = {
        name: connection.exec_driver_sql(statement).all() for name, statement in _GAUGES.items()
    }
    return Gauges(**rows, last_round=connection.exec_driver_sql(_LAST_ROUND).scalar())
