"""`python -m spikemill.services.common.worker NAME`: be the Celery worker of that name.

Celery's own command line would do the same, and load its shell and every plugin that is installed beside it.
"""

import argparse
import os
import socket
import sys
from importlib import import_module

from spikemill.services.common.worker.kinds import WORKER_KINDS


def main() -> None:
    """Work until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m spikemill.services.common.worker", description=__doc__)
    parser.add_argument("name", choices=WORKER_KINDS)
    parser.add_argument("--host", default=socket.gethostname(), help="what the worker's name ends with")
    parser.add_argument("--processes", type=int, help="how many jobs it does at once")
    given = parser.parse_args()
    kind = WORKER_KINDS[given.name]
    # Arrow reads them when it is loaded, which the service's own modules do.
    os.environ.update(kind.environment)
    worker = import_module(f"spikemill.services.{kind.service}.tasks").app.Worker(
        hostname=f"{kind.name}@{given.host}",
        queues=[queue.value for queue in kind.queues],
        concurrency=given.processes or kind.processes,
        without_gossip=True,
        without_mingle=True,
        task_events=True,
        loglevel="INFO",
    )
    worker.start()
    sys.exit(worker.exitcode)


if __name__ == "__main__":
    main()
