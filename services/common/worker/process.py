"""What is known of a worker's process: its name, its heartbeat file, and how it ended."""

import json
import logging
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

_log = logging.getLogger(__name__)
_MORE_MEMORY = "give the workers more memory"
_SEE_LOG = "see the worker's log"
_MEMBERSHIP = Path("/proc/self/cgroup")
_GROUPS = Path("/sys/fs/cgroup")
_COUNT = "oom_kill"


def worker_id(process: int) -> str:
    """Return what the name of each holder begins with that is this process of this machine."""
    return f"{socket.gethostname()}:{process}"


@dataclass(frozen=True, slots=True)
class ProcessHeartbeat:
    """When a process began and last moved; of a worker also its processes and the kinds of its jobs."""

    began: float
    beat: float
    processes: Sequence[int] = ()
    kinds: Sequence[str] = ()


class HeartbeatFile:
    """Where one process notes its pulse."""

    def __init__(self, path: Path) -> None:
        """Note it in this file."""
        self._path = path
        self._began = time.monotonic()
        self._failed = False

    def beat(self, processes: Sequence[int] = (), kinds: Sequence[str] = ()) -> None:
        """Note that the process moves; a file that cannot be written is told of once, and stops nothing."""
        pulse = ProcessHeartbeat(self._began, time.monotonic(), list(processes), list(kinds))
        aside = self._path.with_name(f"{self._path.name}.new")
        try:
            aside.write_text(json.dumps(asdict(pulse)))
            aside.replace(self._path)
        except OSError as error:
            if not self._failed:
                _log.warning("the pulse cannot be noted, so health checks will fail: %s", error)
            self._failed = True


def read_heartbeat(path: Path) -> ProcessHeartbeat | None:
    """Return the last pulse that was noted in a file."""
    try:
        return ProcessHeartbeat(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None


@dataclass(frozen=True, slots=True)
class ProcessExit:
    """How a process ended, and what a person can do about it."""

    reason: str
    remedy: str


UNKNOWN = ProcessExit("its process was killed, perhaps for lack of memory", _MORE_MEMORY)
"""Nobody saw it: its lease ran out."""
_OUT_OF_MEMORY = ProcessExit(
    "the kernel killed its process (SIGKILL), for the memory of its container was used up", _MORE_MEMORY
)
_KILLED = ProcessExit("its process was killed, probably for memory (SIGKILL)", _MORE_MEMORY)


def process_exit_of(status: int | None, *, out_of_memory: bool = False) -> ProcessExit:
    """Say how a process ended: `status` is negative for a signal; `out_of_memory` as the kernel says so."""
    if status is None:
        return UNKNOWN
    if status == -signal.SIGKILL:
        return _OUT_OF_MEMORY if out_of_memory else _KILLED
    if status < 0:
        return ProcessExit(f"its process was ended by {_name_of(-status)}", _SEE_LOG)
    return ProcessExit(f"its process ended by itself (exit status {status})", _SEE_LOG)


def _name_of(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class OomKills:
    """Tells of each kill once."""

    def __init__(self, membership: Path = _MEMBERSHIP, groups: Path = _GROUPS) -> None:
        """Begin with the kills so far."""
        self._files = list(_event_files(membership, groups))
        self._told = self._count()

    def one_more(self) -> bool:
        """Tell whether there was a kill that was not told of yet."""
        if self._count() <= self._told:
            return False
        self._told += 1
        return True

    def _count(self) -> int:
        return next((count for file in self._files if (count := _count_in(file)) is not None), 0)


def _event_files(membership: Path, groups: Path) -> Iterator[Path]:
    """Yield where the count may stand: in this process's own group, which a container sees as the root."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers == "":
            folder, name = groups, "memory.events"
        elif "memory" in controllers.split(","):
            folder, name = groups / "memory", "memory.oom_control"
        else:
            continue
        yield from (folder / group.lstrip("/") / name, folder / name)


def _count_in(file: Path) -> int | None:
    """Return the count of a file, or None where it is not kept."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return None
    counts = dict(line.split(maxsplit=1) for line in lines if " " in line)
    return int(counts[_COUNT]) if _COUNT in counts else None
