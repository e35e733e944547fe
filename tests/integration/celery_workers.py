"""Real Celery workers of `worker_program`, the broker that they listen to, and patience."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from celery import Celery

_PATIENCE = 90.0


def broker(app: Celery, command: str, *arguments: Any) -> Any:
    """Ask the broker itself."""
    with app.connection_for_write() as connection:
        channel: Any = connection.default_channel
        return getattr(channel.client, command)(*arguments)


@contextmanager
def worker(log: Path, **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a real worker with two processes; it may finish what it does."""
    command = [
        sys.executable,
        "-m",
        "celery",
        "--app=worker_program",
        "worker",
        "--queues=plan",
        "--concurrency=2",
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--without-gossip", "--without-mingle", "--task-events", "--loglevel=INFO"],
            cwd=Path(__file__).parent,
            env=_environment(environment),
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _environment(changes: dict[str, str]) -> dict[str, str]:
    checkout = str(Path(__file__).parents[2])
    path = os.pathsep.join([checkout, os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, **changes}


def until(happens: Callable[[], object]) -> None:
    """Wait for something that is bound to happen."""
    deadline = monotonic() + _PATIENCE
    while not happens():
        assert monotonic() < deadline, "it did not happen"
        sleep(0.05)
