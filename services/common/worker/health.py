"""Tells whether a process makes progress: `python -m ...worker.health worker`, or `sweeper`.

Prints one line; exits with 0 where there is progress, else with 1. A main process that does not move is ill
after `SPIKEMILL_HEALTH_GRACE`. So are a Postgres that does not answer and a worker with a free process that
messages wait for in vain, but counted from the last check that found all well: restarts heal by themselves.
"""

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psycopg

from spikemill.services.common.errors import CallError, SpikemillError, readable
from spikemill.services.common.ledger.monitoring import health_of_sweeper, health_of_worker
from spikemill.services.common.settings import settings
from spikemill.services.common.worker.process import ProcessHeartbeat, read_heartbeat, worker_id


class IllHealthError(SpikemillError):
    """There is no progress; the text says what is seen of it."""


class PassingTroubleError(SpikemillError):
    """Something that mostly passes by itself: ill health only when it lasts."""


def check_worker(pulse: ProcessHeartbeat, database: str) -> str:
    """Say how the worker stands, or raise what keeps it from progress."""
    owners = [worker_id(process) for process in pulse.processes]
    signs = health_of_worker(database, owners, pulse.kinds, settings().health_grace)
    free = len(owners) - signs.held
    # A message may have been lost; then the sweeper sends another, if it is there.
    has_sweeper = signs.sweeper_silent_for is not None and signs.sweeper_silent_for < _grace()
    if has_sweeper and free > 0 and signs.oldest_message is not None:
        raise PassingTroubleError(
            f"A message has waited for {signs.oldest_message:.0f} s, "
            f"and {free} of {len(owners)} processes hold no job."
        )
    return f"The worker moves; {signs.held} of its {len(owners)} processes hold a job."


def check_sweeper(_pulse: ProcessHeartbeat, database: str) -> str:
    """Say how the sweeper stands, or raise what keeps it from progress."""
    silence = health_of_sweeper(database)
    if silence is None:
        raise PassingTroubleError("No round has begun yet.")
    if silence > _grace():
        raise IllHealthError(f"No round has begun for {silence:.0f} s; the sweeper's log says why.")
    return f"The last round began {silence:.1f} s ago."


_CHECKS: Mapping[str, Callable[[ProcessHeartbeat, str], str]] = {
    "worker": check_worker,
    "sweeper": check_sweeper,
}


def check(check_process: Callable[[ProcessHeartbeat, str], str]) -> str:
    """Say how a process stands; raises IllHealthError where it makes no progress."""
    path, url = settings().pulse, settings().database_url
    if path is None or url is None:
        raise CallError("Set SPIKEMILL_PULSE and SPIKEMILL_DATABASE_URL as for the process itself.")
    pulse = _moving_pulse(path)
    well = path.with_name(f"{path.name}.well")
    try:
        said = check_process(pulse, url.get_secret_value())
    except (PassingTroubleError, psycopg.Error) as trouble:
        last_well = max(pulse.began, _noted(well))
        if time.monotonic() - last_well > _grace():
            raise IllHealthError(readable(trouble)) from trouble
        return f"Not for long: {readable(trouble)}"
    well.write_text(str(time.monotonic()))
    return said


def _moving_pulse(path: Path) -> ProcessHeartbeat:
    """Return the pulse of the process; raises IllHealthError where it does not move."""
    pulse = read_heartbeat(path)
    if pulse is None:
        raise IllHealthError(
            f"There is no pulse in {path} yet: the process has not begun, or cannot write there."
        )
    silence = time.monotonic() - pulse.beat
    if silence > _grace():
        raise IllHealthError(
            f"The main process has not moved for {silence:.0f} s: it hangs, or the broker is away."
        )
    return pulse


def _noted(path: Path) -> float:
    """Return when all was last found well."""
    try:
        return float(path.read_text())
    except (FileNotFoundError, ValueError):
        return 0.0


def _grace() -> float:
    return settings().health_grace.total_seconds()


def main(arguments: list[str]) -> int:
    """Check the process that is named, and return the exit status."""
    try:
        [name] = arguments
        said, status = check(_CHECKS[name]), 0
    except (ValueError, KeyError):
        sys.stderr.write(
            f"Say which: python -m spikemill.services.common.worker.health {'|'.join(_CHECKS)}\n"
        )
        return 2
    except SpikemillError as error:
        said, status = readable(error), 1
    print(" ".join(said.split()))  # noqa: T201 - what a health check is for
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
