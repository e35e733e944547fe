"""Tells whether a process makes progress: `python -m ...worker.health worker`, or `sweeper`.

Prints one line; exits with 0 where there is progress, else with 1. A main process is ill when its heartbeat
is older than `SPIKEMILL_HEALTH_GRACE`. So are a Postgres that does not answer and a worker that leaves
messages lying while it has a free process, but counted from the last check that found all well.
"""

import sys
import time
from pathlib import Path

import psycopg

from spikemill.services.common.errors import CallError, SpikemillError, readable
from spikemill.services.common.ledger.monitoring import health_of_sweeper, health_of_worker
from spikemill.services.common.process import ProcessHeartbeat, read_heartbeat, worker_id
from spikemill.services.common.settings import settings


class IllHealthError(SpikemillError):
    """There is no progress; the text says what is seen of it."""


class PassingTroubleError(SpikemillError):
    """Something that mostly passes by itself: ill health only when it lasts."""


def main(arguments: list[str]) -> int:
    """Check the process that is named, and return the exit status."""
    if len(arguments) != 1 or arguments[0] not in _CHECKS:
        sys.stderr.write(
            f"Say which: python -m spikemill.services.common.worker.health {'|'.join(_CHECKS)}\n"
        )
        return 2
    try:
        line, status = check(arguments[0]), 0
    except SpikemillError as error:
        line, status = readable(error), 1
    print(" ".join(line.split()))  # noqa: T201 - what a health check is for
    return status


def check(process: str) -> str:
    """Describe a process that makes progress; raises IllHealthError where it makes none."""
    path, url = settings().heartbeat_file, settings().database_url
    if path is None or url is None:
        raise CallError("Set SPIKEMILL_HEARTBEAT_FILE and SPIKEMILL_DATABASE_URL as for the process itself.")
    heartbeat = _recent_heartbeat(path)
    well = path.with_name(f"{path.name}.well")
    try:
        line = _CHECKS[process](heartbeat, url.get_secret_value())
    except (PassingTroubleError, psycopg.Error) as trouble:
        if time.monotonic() - max(heartbeat.began, _last_well(well)) > _grace():
            raise IllHealthError(readable(trouble)) from trouble
        return f"Not for long: {readable(trouble)}"
    well.write_text(str(time.monotonic()))
    return line


def _recent_heartbeat(path: Path) -> ProcessHeartbeat:
    heartbeat = read_heartbeat(path)
    if heartbeat is None:
        raise IllHealthError(
            f"There is no heartbeat in {path} yet: the process has not begun, or cannot write there."
        )
    silence = time.monotonic() - heartbeat.moved
    if silence > _grace():
        raise IllHealthError(
            f"The main process has not moved for {silence:.0f} s: it hangs, or the broker is away."
        )
    return heartbeat


def _last_well(path: Path) -> float:
    try:
        return float(path.read_text())
    except (FileNotFoundError, ValueError):
        return 0.0


def _check_worker(heartbeat: ProcessHeartbeat, database: str) -> str:
    owners = [worker_id(process) for process in heartbeat.processes]
    health = health_of_worker(database, owners, heartbeat.kinds, settings().health_grace)
    free = len(owners) - health.held
    # A message may have been lost; then the sweeper sends another, if it is there.
    has_sweeper = health.sweeper_silent_for is not None and health.sweeper_silent_for < _grace()
    if has_sweeper and free > 0 and health.oldest_message is not None:
        raise PassingTroubleError(
            f"A message has waited for {health.oldest_message:.0f} s, "
            f"and {free} of {len(owners)} processes hold no job."
        )
    return f"The worker moves; {health.held} of its {len(owners)} processes hold a job."


def _check_sweeper(_heartbeat: ProcessHeartbeat, database: str) -> str:
    silence = health_of_sweeper(database)
    if silence is None:
        raise PassingTroubleError("No round has begun yet.")
    if silence > _grace():
        raise IllHealthError(f"No round has begun for {silence:.0f} s; the sweeper's log says why.")
    return f"The last round began {silence:.1f} s ago."


_CHECKS = {"worker": _check_worker, "sweeper": _check_sweeper}


def _grace() -> float:
    return settings().health_grace.total_seconds()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
