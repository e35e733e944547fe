"""What the tests ask of a ledger."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import psycopg
from psycopg.rows import dict_row

from spikemill.services.cli.local.engine import ledger_address
from spikemill.services.cli.local.home import Home
from tests.acceptance.processes import eventually, kill

Outcomes = list[str | None]

_JOBS = """
    SELECT
        job.*, coalesce(session.key, asset.path, source.name) AS about,
        (
            SELECT array_agg(outcome::text ORDER BY attempt) FROM attempts
            WHERE attempts.job_id = job.id
        ) AS outcomes
    FROM jobs AS job
    LEFT JOIN assets AS asset ON asset.id = job.asset_id
    LEFT JOIN sessions AS session ON session.id = job.session_id
    LEFT JOIN source_versions AS source ON source.id = job.source_version_id
    WHERE job.kind::text = coalesce(%(kind)s, job.kind::text)
    AND job.state::text = coalesce(%(state)s, job.state::text)
    ORDER BY job.id
"""


@dataclass(frozen=True)
class FrozenJob:
    """A worker's process that was stopped in the middle of a job."""

    job: int
    attempt: int
    process: int

    def kill(self) -> None:
        """Kill the process."""
        kill(self.process)

    def go_on(self) -> None:
        """Let the process go on."""
        os.kill(self.process, signal.SIGCONT)


class Questions:
    """Asks one ledger, over a new connection each time: Postgres may be killed in between."""

    def __init__(self, address: Callable[[], str]) -> None:
        """Ask at an address that may only be known later."""
        self._address = address

    def rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        """Return the rows of a query."""
        with psycopg.connect(self._address(), row_factory=dict_row, autocommit=True) as connection:
            return connection.execute(query, values).fetchall()

    def one(self, query: str, **values: Any) -> Any:
        """Return the single value of a query."""
        [row] = self.rows(query, **values)
        [value] = row.values()
        return value

    def change(self, statement: str, **values: Any) -> None:
        """Change the ledger by hand: the tests' way to move the clock."""
        with psycopg.connect(self._address(), autocommit=True) as connection:
            connection.execute(statement, values)

    def jobs(self, kind: str | None = None, state: str | None = None) -> list[dict[str, Any]]:
        """Return jobs with what they are about, and how each of their attempts ended (None: not yet)."""
        return self.rows(_JOBS, kind=kind, state=state)

    def outcomes(self, kind: str | None = None) -> dict[str, Outcomes | None]:
        """Return how the attempts ended, by kind and what the job is about."""
        return {f"{job['kind']} {job['about'] or job['id']}": job["outcomes"] for job in self.jobs(kind)}

    def freeze_one(self, kind: str) -> FrozenJob:
        """Stop a worker's process in the middle of a job of a kind."""
        return eventually(partial(self._try_to_freeze, kind))

    def _try_to_freeze(self, kind: str) -> FrozenJob | None:
        for job in self.jobs(kind, "running"):
            frozen = FrozenJob(job["id"], job["attempt"], _process_of(job))
            os.kill(frozen.process, signal.SIGSTOP)
            if any(_is_held(frozen, still) for still in self.jobs(kind, "running")):
                return frozen
            frozen.go_on()
        return None


def _process_of(job: dict[str, Any]) -> int:
    """Return the process that holds a job: its owner is host:process:random."""
    return int(str(job["lease_owner"]).rsplit(":", 2)[1])


def _is_held(frozen: FrozenJob, job: dict[str, Any]) -> bool:
    return (job["id"], job["attempt"]) == (frozen.job, frozen.attempt)


@contextmanager
def questions_of(home: Home) -> Iterator[Questions]:
    """Ask the ledger of a home, whether or not a build runs in it."""
    with ledger_address(home) as address:
        yield Questions(partial(str, address))
