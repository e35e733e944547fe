"""`python -m services.common.worker NAME`: be the Celery worker of that name.

Celery's own command line would do the same, and load its shell and every plugin that is installed beside it.
"""

import argparse
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module

from services.common.queues import Queue

_MODULE = "services.common.worker"
# A row takes Arrow hundreds of megabytes for a moment; this pool returns them to the system.
_ARROW_GIVES_BACK = {"ARROW_DEFAULT_MEMORY_POOL": "jemalloc"}


@dataclass(frozen=True, slots=True)
class WorkerKind:
    """Workers of one service under a name of their own: which queues they serve, with how many processes."""

    name: str
    service: str
    queues: Sequence[Queue]
    processes: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)

    def arguments(self, *, host: str, processes: int | None = None) -> list[str]:
        """Return what `python -m` runs such a worker with, under the name of a host."""
        return [_MODULE, self.name, f"--host={host}", f"--processes={processes or self.processes}"]


# Fetching mostly waits for the network; a streamer is a binner that reads its sources where they lie.
DOWNLOADER = WorkerKind("downloader", "downloader", (Queue.PLAN, Queue.FETCH), processes=4)
BINNER = WorkerKind("binner", "binner", (Queue.BIN,), environment=_ARROW_GIVES_BACK)
STREAMER = WorkerKind("streamer", "binner", (Queue.BIN_STREAM,), environment=_ARROW_GIVES_BACK)
MERGER = WorkerKind("merger", "merger", (Queue.MERGE,))
WORKER_KINDS = {kind.name: kind for kind in (DOWNLOADER, BINNER, STREAMER, MERGER)}


def main() -> None:
    """Work until told to stop."""
    parser = argparse.ArgumentParser(prog=f"python -m {_MODULE}", description=__doc__)
    parser.add_argument("name", choices=WORKER_KINDS)
    parser.add_argument("--host", default=socket.gethostname(), help="what the worker's name ends with")
    parser.add_argument("--processes", type=int, help="how many jobs it does at once")
    given = parser.parse_args()
    sys.exit(work(WORKER_KINDS[given.name], given.host, given.processes))


def work(kind: WorkerKind, host: str, processes: int | None) -> int | None:
    """Work until told to stop, and return the exit status."""
    # Arrow reads them when it is loaded, which the service's own modules do.
    os.environ.update(kind.environment)
    app = import_module(f"services.{kind.service}.app").app
    worker = app.Worker(
        hostname=f"{kind.name}@{host}",
        queues=[queue.value for queue in kind.queues],
        concurrency=processes or kind.processes,
        without_gossip=True,
        without_mingle=True,
        task_events=True,
        loglevel="INFO",
    )
    worker.start()
    status: int | None = worker.exitcode
    return status


if __name__ == "__main__":
    main()
