"""A child process of the engine: how it is described, found, started and stopped."""

import importlib.util
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from spikemill.services.cli.local import launch
from spikemill.services.common.errors import SpikemillError
from spikemill.services.common.retry import Backoff

_POLL = 0.02
_BACKOFF = Backoff(first_pause=0.1, longest_pause=5.0)


class EngineError(SpikemillError):
    """A process of the engine cannot be started or kept running; the text names its log (exit status 1)."""


@dataclass(frozen=True, slots=True)
class StopStep:
    """A signal, and how many seconds the child has to end after it."""

    signal: signal.Signals
    seconds: float


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """When a child that keeps ending soon after its start is given up (seconds)."""

    settled: float = 30.0
    ends: int = 5
    span: float = 20.0
    backoff: Backoff = _BACKOFF


@dataclass(frozen=True, slots=True)
class Child:
    """A process of the engine: `command` starts with an absolute path; `folder` is where it works.

    `user` is the name of the user that it runs as if not ours. One that `forks` is a `python -m ...` that may
    be forked from a process that has loaded its modules.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    log: Path
    user: str | None = None
    death_signal: signal.Signals = signal.SIGKILL
    stop_steps: Sequence[StopStep] = (StopStep(signal.SIGTERM, 10.0),)
    restart_policy: RestartPolicy = field(default_factory=RestartPolicy)
    forks: bool = False


@dataclass(eq=False)
class ForkedProcess:
    """A child of the fork server, to be watched and stopped as a `subprocess.Popen` is."""

    pid: int
    returncode: int | None = None
    _ended: threading.Event = field(default_factory=threading.Event)

    def poll(self) -> int | None:
        """Return the exit status, negative for a signal; None while it runs."""
        return self.returncode

    def wait(self) -> int:
        """Wait for the end, and return the exit status."""
        while self.returncode is None:
            self._ended.wait()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL, unless it has ended."""
        self.send_signal(signal.SIGKILL)

    def end(self, status: int) -> None:
        """Note its exit status."""
        self.returncode = status
        self._ended.set()


Process = subprocess.Popen[bytes] | ForkedProcess


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


def launch_command(
    command: Sequence[str], *, user: str | None, death_signal: signal.Signals = signal.SIGKILL
) -> list[str]:
    """Return the command that runs the given one as the user, until this thread's process is gone."""
    launcher = [sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), str(int(death_signal))]
    return [*launcher, user or "-", *command]


def bare_environment() -> dict[str, str]:
    """Return the environment of a server: no secrets of the caller, no PGPORT that it would follow."""
    # Where Python itself finds its library: the launcher is Python.
    library_path = {name: value for name, value in os.environ.items() if name == "LD_LIBRARY_PATH"}
    return {"PATH": os.defpath, "LC_ALL": "C", **library_path}


def stop(process: Process, steps: Sequence[StopStep], presses: Callable[[], int]) -> None:
    """End the child, step by step; each further Ctrl-C (`presses` counts them) cuts a step short."""
    for step in steps:
        process.send_signal(step.signal)
        deadline, pressed = time.monotonic() + step.seconds, presses()
        while time.monotonic() < deadline and presses() == pressed:
            if process.poll() is not None:
                return
            time.sleep(_POLL)
    process.kill()
    process.wait()


def kill_descendants(process: Process) -> None:
    """Kill what an ended child left of its process group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def version_of(program: Path, pattern: str) -> tuple[int, ...] | None:
    """Return the numbers that a pattern finds in the program's `--version`; None where there are none."""
    try:
        printed = subprocess.run(  # noqa: S603 - a program that the person or PATH named
            [program, "--version"], capture_output=True, text=True, check=False
        ).stdout
    except OSError:
        return None
    found = re.search(pattern, printed)
    return tuple(int(number) for number in found.groups()) if found else None


def package_folder(name: str) -> Path:
    """Return the folder of an installed package, or a path that does not exist."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else Path("/nonexistent", name)
