"""`python -m spikemill.services.common.worker NAME`: be the Celery worker of that name.

Celery's own command line would do the same, and load its shell and every plugin that is installed beside it.
"""

import argparse
import os
import socket
import sys
from importlib import import_module

from spikemill.services.common.worker.kinds import WORKER_KINDS, WorkerKind


def main() -> None:
    """Work until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m spikemill.services.common.worker", description=__doc__)
    parser.add_argument("name", choices=WORKER_KINDS)
    parser.add_argument("--host", default=socket.gethostname(), help="what the worker's name ends with")
    parser.add_argument("--processes", type=int, help="how many jobs it does at once")
    given = parser.parse_args()
    sys.exit(work(WORKER_KINDS[given.name], given.host, given.processes))


def work(kind: WorkerKind, host: str, processes: int | None) -> int | None:
    """Work until told to stop, and return the exit status."""
    # Arrow reads them when it is loaded, which the service's own modules do.
    os.environ.update(kind.environment)
    app = import_module(f"spikemill.services.{kind.service}.tasks").app
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
