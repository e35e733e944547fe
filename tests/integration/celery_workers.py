"""Real Celery workers of `worker_program`, the broker that they listen to, and patience."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from celery import Celery

from spikemill.services.cli.local.children import ForkedProcess
from tests.harness.forked_programs import start_program

_PATIENCE = 90.0


def broker(app: Celery, command: str, *arguments: Any) -> Any:
    """Ask the broker itself."""
    with app.connection_for_write() as connection:
        channel: Any = connection.default_channel
        return getattr(channel.client, command)(*arguments)


@contextmanager
def worker(log: Path, **environment: str) -> Iterator[ForkedProcess]:
    """Run a real worker with two processes; it may finish what it does."""
    process = start_program(__name__, environment={**os.environ, **environment}, log=log)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def until(happens: Callable[[], object]) -> None:
    """Wait for something that is bound to happen."""
    deadline = monotonic() + _PATIENCE
    while not happens():
        assert monotonic() < deadline, "it did not happen"
        sleep(0.05)


if __name__ == "__main__":
    from tests.integration.worker_program import app

    started: Any = app.Worker(
        queues=["plan"],
        concurrency=2,
        without_gossip=True,
        without_mingle=True,
        task_events=True,
        loglevel="INFO",
    )
    started.start()
    sys.exit(started.exitcode)
