"""What the supervisor needs to know of a child, and how it is started and stopped."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from services.cli.local import launch
from services.cli.local.plain_user import PlainUser

_POLL = 0.02


@dataclass(frozen=True, slots=True)
class StopStep:
    """A signal, and how many seconds the child has to end after it."""

    signal: signal.Signals
    seconds: float


@dataclass(frozen=True, slots=True)
class Patience:
    """When a child that keeps ending soon after its start is given up (seconds)."""

    settled: float = 30.0
    ends: int = 5
    span: float = 20.0
    first_pause: float = 0.1
    longest_pause: float = 5.0


class Process(Protocol):
    """A child that runs, as `subprocess.Popen` shows it."""

    pid: int

    @property
    def returncode(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""

    def poll(self) -> int | None:
        """Return the exit status; None while it runs."""

    def wait(self) -> int:
        """Wait for the end, and return the exit status."""

    def send_signal(self, number: int, /) -> None:
        """Send a signal, unless it has ended."""

    def kill(self) -> None:
        """Kill it."""


@dataclass(frozen=True, slots=True)
class Child:
    """A process of the engine: `command` starts with an absolute path; `folder` is where it works.

    One that `forks` is a `python -m ...` whose process may be forked from one that is there already.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    log: Path
    user: PlainUser | None = None
    death_signal: signal.Signals = signal.SIGKILL
    stop_steps: Sequence[StopStep] = (StopStep(signal.SIGTERM, 10.0),)
    patience: Patience = field(default_factory=Patience)
    forks: bool = False


def bare_environment() -> dict[str, str]:
    """Return the environment of a server: no secrets of the caller, no PGPORT to lead it astray."""
    # Where Python itself finds its library: the launcher is Python.
    library_path = {name: value for name, value in os.environ.items() if name == "LD_LIBRARY_PATH"}
    return {"PATH": os.defpath, "LC_ALL": "C", **library_path}


def launch_command(
    command: Sequence[str], *, user: PlainUser | None, death_signal: signal.Signals = signal.SIGKILL
) -> list[str]:
    """Return the command that runs the given one as the user, until this thread's process is gone."""
    who = "-" if user is None else user.name
    prefix = [sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), str(int(death_signal)), who]
    return [*prefix, *command]


def start(child: Child, worker: str) -> Process:
    """Start the child in its own session, so that a terminal's Ctrl-C does not reach it.

    The kernel's death signal follows the thread that calls this: it must live as long as the child.
    """
    with child.log.open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - the command is the engine's own
            launch_command(child.command, user=child.user, death_signal=child.death_signal),
            cwd=child.folder,
            env={**child.environment, "SPIKEMILL_WORKER": worker},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def stop(process: Process, steps: Sequence[StopStep], presses: Callable[[], int]) -> None:
    """End the child, step by step; each further Ctrl-C (`presses` counts them) cuts a step short."""
    for step in steps:
        process.send_signal(step.signal)
        if _ends(process, step.seconds, presses):
            return
    process.kill()
    process.wait()


def _ends(process: Process, seconds: float, presses: Callable[[], int]) -> bool:
    """Wait until the process is gone, the time is up, or somebody is in a hurry."""
    deadline = time.monotonic() + seconds
    pressed = presses()
    while process.poll() is None:
        if time.monotonic() >= deadline or presses() > pressed:
            return False
        time.sleep(_POLL)
    return True


def kill_descendants(process: Process) -> None:
    """Kill what an ended child left of its process group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
