"""The sweeper and the Celery workers of a one-machine build, as children."""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from services.cli.local.address import Address
from services.cli.local.children import Child, StopStep
from services.cli.local.home import Home
from services.common.queues import Queue

# A short job may end by itself; then QUIT has the workers give their leases back.
_STOP_WORKER = (StopStep(signal.SIGTERM, 2.0), StopStep(signal.SIGQUIT, 10.0))
# A row takes Arrow hundreds of megabytes for a moment; this pool returns them to the system.
_ARROW_GIVES_BACK = {"ARROW_DEFAULT_MEMORY_POOL": "jemalloc"}
# Enough to tell one start from another, where people see the worker's name.
_SHORT = 8
_STOP_SWEEPER = (StopStep(signal.SIGTERM, 5.0),)


@dataclass(frozen=True, slots=True)
class WorkerKind:
    """Workers of one service under a name of their own: which queues they serve, with how many processes."""

    name: str
    service: str
    queues: Sequence[Queue]
    processes: int
    environment: Mapping[str, str] = field(default_factory=dict)


def worker_kinds(binners: int) -> list[WorkerKind]:
    """Return the workers of a build with this many binners; fetching mostly waits for the network.

    As many again stream: they wait for the network too, and then count. Without binners nothing is counted.
    """
    counting = [
        WorkerKind("binner", "binner", (Queue.BIN,), binners, _ARROW_GIVES_BACK),
        WorkerKind("binner-stream", "binner", (Queue.BIN_STREAM,), binners, _ARROW_GIVES_BACK),
    ]
    return [
        WorkerKind("downloader", "downloader", (Queue.PLAN, Queue.FETCH), 4),
        *(counting if binners else ()),
        WorkerKind("merger", "merger", (Queue.MERGE,), 1),
    ]


def build_children(home: Home, address: Address, *, binners: int) -> list[Child]:
    """Return the children of a build: the sweeper and the workers of every service."""
    workers = [celery_worker(home, address, kind) for kind in worker_kinds(binners)]
    return [python_child("sweeper", ["services.common.sweeper"], home, address, _STOP_SWEEPER), *workers]


def celery_worker(home: Home, address: Address, kind: WorkerKind) -> Child:
    """Return the worker of one kind."""
    arguments = [
        "celery",
        f"--app=services.{kind.service}.app",
        "worker",
        f"--hostname={kind.name}@{address.boot[:_SHORT]}",
        f"--queues={','.join(kind.queues)}",
        f"--concurrency={kind.processes}",
        "--without-gossip",
        "--without-mingle",
        "--task-events",
        "--loglevel=INFO",
    ]
    child = python_child(kind.name, arguments, home, address, _STOP_WORKER)
    return replace(child, environment={**child.environment, **kind.environment})


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
    )


def _places(home: Home) -> dict[str, str]:
    """Return where the workers of this home store and copy; what lies in the home is never imported."""
    return {
        "SPIKEMILL_STORE": str(home.path.absolute()),
        "SPIKEMILL_SPOOL": str(home.spool.absolute()),
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
    }
