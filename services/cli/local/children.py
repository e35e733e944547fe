"""A child process of the engine: how it is described, started and stopped."""

import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from spikemill.services.cli.local import launch
from spikemill.services.cli.local.home import Home
from spikemill.services.common.errors import CallError, SpikemillError

_POLL = 0.02
_SYSTEM_USERS = ("postgres", "nobody")
_FIRST_CLOSED = 'for folder in "$@"; do [ -x "$folder" ] || { printf %s "$folder"; exit 0; }; done'


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
class PostgresUser:
    """An existing user who is not root."""

    name: str
    uid: int
    gid: int

    def run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a short command as this user; raises OSError where it cannot be started."""
        return subprocess.run(  # noqa: S603 - the commands are the engine's own
            command,
            user=self.uid,
            group=self.gid,
            extra_groups=os.getgrouplist(self.name, self.gid),
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def first_closed(self, folder: Path) -> Path | None:
        """Return the first folder on the way into `folder` that the user may not enter, or None."""
        way = [*reversed(folder.parents), folder]
        found = self.run(["/bin/sh", "-c", _FIRST_CLOSED, "sh", *map(str, way)]).stdout
        return Path(found) if found else None

    def can_run(self, program: Path) -> bool:
        """Tell whether the program starts as this user."""
        try:
            return self.run([str(program), "--version"]).returncode == 0
        except OSError:
            return False


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
    user: PostgresUser | None = None
    death_signal: signal.Signals = signal.SIGKILL
    stop_steps: Sequence[StopStep] = (StopStep(signal.SIGTERM, 10.0),)
    patience: RestartPolicy = field(default_factory=RestartPolicy)
    forks: bool = False


def bare_environment() -> dict[str, str]:
    """Return the environment of a server: no secrets of the caller, no PGPORT to lead it astray."""
    # Where Python itself finds its library: the launcher is Python.
    library_path = {name: value for name, value in os.environ.items() if name == "LD_LIBRARY_PATH"}
    return {"PATH": os.defpath, "LC_ALL": "C", **library_path}


def launch_command(
    command: Sequence[str], *, user: PostgresUser | None, death_signal: signal.Signals = signal.SIGKILL
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


def user_of(uid: int) -> PostgresUser | None:
    """Return the user with this id, or None for root and for an id without a name."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return None
    return PostgresUser(entry.pw_name, entry.pw_uid, entry.pw_gid) if uid else None


def candidates(home: Home) -> Iterator[PostgresUser]:
    """Yield who might run Postgres: the owner of the home, who called sudo, then users of the system."""
    uids = [home.path.stat().st_uid, int(os.environ.get("SUDO_UID", "0"))]
    names = [entry.pw_name for entry in pwd.getpwall()]
    uids += [pwd.getpwnam(name).pw_uid for name in _SYSTEM_USERS if name in names]
    users = (user_of(uid) for uid in dict.fromkeys(uids))
    return (user for user in users if user is not None)


def user_for(home: Home) -> PostgresUser | None:
    """Return the user that Postgres runs as in this home: None means as ourselves.

    Raises:
        CallError: No user can reach the home, or an existing cluster belongs to somebody else.
    """
    clusters = home.clusters()
    owner = clusters[-1].stat().st_uid if clusters else None
    if os.geteuid() != 0:
        _refuse_foreign(home, owner)
        return None
    _open_for_passage(home.state)
    users = candidates(home) if owner is None else filter(None, [user_of(owner)])
    return _reaching(home, users)


def _open_for_passage(folder: Path) -> None:
    """Let other users through the folder, whatever root's umask was."""
    folder.chmod(folder.stat().st_mode | 0o011)


def _refuse_foreign(home: Home, owner: int | None) -> None:
    """Say whose ledger this is, where it is not ours."""
    if owner is not None and owner != os.geteuid():
        user = user_of(owner)
        raise CallError(
            f"the ledger in {home.path} belongs to user {user.name if user else owner}: "
            "run as root or as that user, or give another --home"
        )


def _reaching(home: Home, users: Iterator[PostgresUser]) -> PostgresUser:
    """Return the first of the users who can enter the home, or name the folder that is closed."""
    refusals = []
    for user in users:
        try:
            closed = user.first_closed(home.state.resolve())
        except OSError as error:
            refusals.append(f"root may not become {user.name} here ({error.strerror})")
            continue
        if closed is None:
            return user
        refusals.append(f"user {user.name} may not enter {closed}")
    reason = refusals[0] if refusals else "no plain user was found"
    raise CallError(
        f"Postgres does not run as root, and {reason}: give a --home outside of closed folders, "
        "run as a plain user, or set SPIKEMILL_DATABASE_URL to a Postgres of your own"
    )


class EngineError(SpikemillError):
    """A process of the engine cannot be started or kept running; the text names its log (exit status 1)."""
