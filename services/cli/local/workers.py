"""The sweeper and the Celery workers of a one-machine build, as children."""

import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence

from services.cli.local.address import Address
from services.cli.local.children import Child, StopStep
from services.cli.local.home import Home
from services.common.worker import BINNER, STREAMER, WORKER_KINDS, WorkerKind

# A short job may end by itself; then QUIT has the workers give their leases back.
_STOP_WORKER = (StopStep(signal.SIGTERM, 2.0), StopStep(signal.SIGQUIT, 10.0))
# Enough to tell one start from another, where people see the worker's name.
_SHORT = 8
SWEEPER = "sweeper"
_COUNTING = (BINNER, STREAMER)
_STOP_SWEEPER = (StopStep(signal.SIGTERM, 5.0),)


def build_children(
    home: Home, address: Address, *, binners: int, kinds: Iterable[WorkerKind] = WORKER_KINDS.values()
) -> list[Child]:
    """Return the children of a build: the sweeper and the workers of these kinds.

    As many stream as bin: they wait for the network, and then count. Without binners nothing is counted.
    """
    sweeper = python_child(SWEEPER, ["services.common.sweeper"], home, address, _STOP_SWEEPER)
    return [sweeper, *build_workers(home, address, kinds, binners=binners)]


def build_workers(
    home: Home, address: Address, kinds: Iterable[WorkerKind], *, binners: int
) -> Iterator[Child]:
    """Yield the workers of these kinds, and of those that count as many processes as there are binners."""
    for kind in kinds:
        if kind not in _COUNTING:
            yield celery_worker(home, address, kind)
        elif binners:
            yield celery_worker(home, address, kind, processes=binners)


def celery_worker(home: Home, address: Address, kind: WorkerKind, processes: int | None = None) -> Child:
    """Return the worker of one kind, under a name that tells one start from another."""
    arguments = kind.arguments(host=address.boot[:_SHORT], processes=processes)
    return python_child(kind.name, arguments, home, address, _STOP_WORKER)


def python_child(
    name: str, module: Sequence[str], home: Home, address: Address, stop_steps: Sequence[StopStep]
) -> Child:
    """Return a child that runs a Python module with its arguments, in the home, for this engine."""
    return Child(
        name=name,
        command=[sys.executable, "-m", *module],
        environment={**os.environ, **address.environment(), **_places(home)},
        folder=home.path,
        log=home.log(name),
        stop_steps=stop_steps,
        forks=True,
    )


def _places(home: Home) -> dict[str, str]:
    """Return where the workers of this home store and copy; what lies in the home is never imported."""
    return {
        "SPIKEMILL_STORE": str(home.path.absolute()),
        "SPIKEMILL_SPOOL": str(home.spool.absolute()),
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
    }
