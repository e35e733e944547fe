"""What health checks ask of the ledger; over psycopg alone, for SQLAlchemy takes too long to load."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import psycopg
from psycopg.rows import class_row

_PATIENCE = 3
_DRIVER = re.compile(r"^postgres(?:ql)?(?:\+\w+)?://")
_SWEEPER = "SELECT extract(epoch FROM clock_timestamp() - swept_at)::float FROM ledger_mark"
# Lease owners are host:process:random.
_WORKER = """
    SELECT
        (
            SELECT extract(epoch FROM clock_timestamp() - swept_at)::float FROM ledger_mark
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
    """Return how it stands with a worker: its processes as host:process, and the kinds of jobs it is for.

    A message may wait for as long as the grace.
    """
    asked = {"processes": list(processes), "kinds": list(kinds), "grace": grace}
    with _connection(database) as connection:
        cursor = connection.cursor(row_factory=class_row(WorkerHealth))
        [found] = cursor.execute(_WORKER, asked).fetchall()
    return found


@contextmanager
def _connection(database: str) -> Iterator[psycopg.Connection]:
    """Connect to an address that may name a driver, as SQLAlchemy takes it."""
    address = _DRIVER.sub("postgresql://", database)
    options = f"-c statement_timeout={_PATIENCE}s"
    with psycopg.connect(address, connect_timeout=_PATIENCE, options=options) as connection:
        yield connection
