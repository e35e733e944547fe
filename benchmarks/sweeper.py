"""How long a round of the sweeper takes on a ledger of fifty thousand jobs.

Run: `python -m benchmarks.sweeper`.

The rounds are taken at the start, when half of the sessions are done, and when all wait for their release.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session as Transaction

from spikemill.services.cli.home import use_ledger
from spikemill.services.cli.local.engine import Address, running_engine
from spikemill.services.cli.local.home import Home
from spikemill.services.common.database import engine, transaction
from spikemill.services.common.ledger import (
    build_queries,
    builds,
    dispatch,
    jobs,
    monitoring,
    recordings,
    sessions,
)
from spikemill.services.common.migrate import migrate
from spikemill.services.common.row_format import FORMAT_ID
from spikemill.services.common.types import Asset, PlannedSession, digest
from spikemill.services.common.worker.kinds import Queue, kinds_of
from spikemill.services.sweeper.__main__ import STEPS

_SOURCES = 50
_SESSIONS = 500
_BIN = """
    UPDATE jobs SET state = 'done', output = '{}', lease_owner = NULL, lease_expires = NULL
    WHERE kind IN ('fetch', 'bin') AND state <> 'done'
    AND coalesce(session_id, (SELECT session_id FROM assets WHERE assets.id = jobs.asset_id)) % :part = 0
"""
_FREE = "UPDATE sessions SET admitted_at = NULL, reserved_bytes = 0 WHERE id % :part = 0"


@contextmanager
def _ledger() -> Iterator[None]:
    """Run a Postgres of our own, with the ledger's schema."""
    with tempfile.TemporaryDirectory(prefix="spikemill-benchmark-") as folder:
        Path(folder).chmod(0o755)

        def prepare(address: Address) -> None:
            use_ledger(address.database_url)
            migrate()

        home = Home(Path(folder) / "home")
        with running_engine(home, prepare=prepare):
            yield
            engine().dispose()


def _timed(what: str, step: Callable[[Transaction], object]) -> None:
    start = time.perf_counter()
    with transaction() as ledger:
        step(ledger)
    print(f"  {what:<24}{1000 * (time.perf_counter() - start):>9.1f} ms")


def _round() -> None:
    """Take a round as the sweeper does, one figure for each step."""
    start = time.perf_counter()
    for step in STEPS:
        _timed(getattr(step, "__name__", ""), step)
    _timed("admit_sessions", partial(sessions.admit_sessions, capacity=10**6))
    for queue in Queue:
        send = partial(dispatch.mark_sent, kinds=kinds_of(queue), epoch="epoch", idle=False)
        _timed(f"mark_sent {queue}", send)
    print(f"  {'the whole round':<24}{1000 * (time.perf_counter() - start):>9.1f} ms")


def _ask() -> int:
    """Ask for a build of all sources, and seal each."""
    names = [f"source-{number}" for number in range(_SOURCES)]
    request = builds.BuildRequest(
        pile="pile", notes=None, sources=[_source(name) for name in names], parameters={}
    )
    with transaction() as ledger:
        build = builds.open_build(ledger, request).build
    for number in range(1, _SOURCES + 1):
        with transaction() as ledger:
            recordings.seal_source(ledger, number, [_session(number, each) for each in range(_SESSIONS)])
    _change("UPDATE jobs SET state = 'done', output = '{}' WHERE kind = 'plan'")
    _change("ANALYZE")
    return build


def _source(name: str) -> builds.SourceRequest:
    return builds.SourceRequest(
        digest=digest(name), name=name, archive="dandi", api="", config={}, format_id=FORMAT_ID, expected={}
    )


def _session(source: int, number: int) -> PlannedSession:
    name = f"{source}-{number}"
    return PlannedSession(name, name, name, [Asset(name, name, 10_000, {})])


def _change(statement: str, **values: int) -> None:
    with transaction() as ledger:
        ledger.execute(text(statement), values)


def _claim_one(ledger: Transaction) -> None:
    job = ledger.scalar(text("SELECT id FROM jobs WHERE state = 'ready' ORDER BY id LIMIT 1"))
    jobs.claim(ledger, job or 0)


def main() -> None:
    """Print the time of each step of a round, and of what workers and people ask."""
    with _ledger():
        start = time.perf_counter()
        build = _ask()
        print(f"planning {_SOURCES * _SESSIONS} sessions: {time.perf_counter() - start:.1f} s")
        for part, state in ((0, "at the start"), (2, "half is done"), (1, "all is done")):
            if part:
                _change(_BIN, part=part)
                _change(_FREE, part=part)
            print(f"{2 * _SOURCES * _SESSIONS} jobs, {state}:")
            _round()
            _timed("claim", _claim_one)
            _timed("progress", partial(build_queries.progress_of, build=build))
            _timed("status", partial(build_queries.status_of, build=build))
            _timed("metrics", monitoring.read_gauges)


if __name__ == "__main__":
    main()
