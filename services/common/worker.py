"""`python -m services.common.worker NAME`: become the Celery worker of that name."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.common.queues import Queue

# A row takes Arrow hundreds of megabytes for a moment; this pool returns them to the system.
_ARROW_GIVES_BACK = {"ARROW_DEFAULT_MEMORY_POOL": "jemalloc"}
_THIS_HOST = "%h"


@dataclass(frozen=True, slots=True)
class WorkerKind:
    """Workers of one service under a name of their own: which queues they serve, with how many processes."""

    name: str
    service: str
    queues: Sequence[Queue]
    processes: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)

    def arguments(self, *, host: str = _THIS_HOST, processes: int | None = None) -> list[str]:
        """Return what `python -m` runs such a worker with: as on this host, or as another one is called."""
        return [
            "celery",
            f"--app=services.{self.service}.app",
            "worker",
            f"--hostname={self.name}@{host}",
            f"--queues={','.join(self.queues)}",
            f"--concurrency={processes or self.processes}",
            "--without-gossip",
            "--without-mingle",
            "--task-events",
            "--loglevel=INFO",
        ]


# Fetching mostly waits for the network; a streamer is a binner that reads its sources where they lie.
DOWNLOADER = WorkerKind("downloader", "downloader", (Queue.PLAN, Queue.FETCH), processes=4)
BINNER = WorkerKind("binner", "binner", (Queue.BIN,), environment=_ARROW_GIVES_BACK)
STREAMER = WorkerKind("streamer", "binner", (Queue.BIN_STREAM,), environment=_ARROW_GIVES_BACK)
MERGER = WorkerKind("merger", "merger", (Queue.MERGE,))
WORKER_KINDS = {kind.name: kind for kind in (DOWNLOADER, BINNER, STREAMER, MERGER)}


def main() -> None:
    """Replace this process by the worker that its one argument names."""
    parser = argparse.ArgumentParser(prog="python -m services.common.worker", description=__doc__)
    parser.add_argument("name", choices=WORKER_KINDS)
    kind = WORKER_KINDS[parser.parse_args().name]
    command = [sys.executable, "-m", *kind.arguments()]
    os.execve(sys.executable, command, {**os.environ, **kind.environment})  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
