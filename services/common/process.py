"""A process: the id by which a worker holds jobs, its heartbeat file, and how it ended."""

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


def worker_id(process: int) -> str:
    """Return the id of a process of this machine; the owner of each lease that it holds begins with it."""
    return f"{socket.gethostname()}:{process}"


@dataclass(frozen=True, slots=True)
class ProcessHeartbeat:
    """When a process began and last moved; of a worker also its processes and the kinds of its jobs."""

    began: float
    moved: float
    processes: Sequence[int] = ()
    kinds: Sequence[str] = ()


class HeartbeatFile:
    """The file in which a process notes that it moves; without a path it notes nothing."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._began = time.monotonic()
        self._failed = False

    def write(self, processes: Sequence[int] = (), kinds: Sequence[str] = ()) -> None:
        """Note that the process moves; where the file cannot be written, warn once and go on."""
        if self._path is None:
            return
        heartbeat = ProcessHeartbeat(self._began, time.monotonic(), list(processes), list(kinds))
        aside = self._path.with_name(f"{self._path.name}.new")
        try:
            aside.write_text(json.dumps(asdict(heartbeat)))
            aside.replace(self._path)
        except OSError as error:
            if not self._failed:
                _log.warning("the heartbeat file cannot be written, so health checks will fail: %s", error)
            self._failed = True


def read_heartbeat(path: Path) -> ProcessHeartbeat | None:
    """Return the last heartbeat in a file; None where there is no such file."""
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
"""No process saw the end: the lease ran out."""
_OUT_OF_MEMORY = ProcessExit(
    "the kernel killed its process (SIGKILL), for the memory of its container was used up", _MORE_MEMORY
)
_KILLED = ProcessExit("its process was killed, probably for memory (SIGKILL)", _MORE_MEMORY)


def process_exit_of(status: int | None, *, out_of_memory: bool = False) -> ProcessExit:
    """Describe an exit status: negative for a signal; `out_of_memory` if the kernel counted such a kill."""
    if status is None:
        return UNKNOWN
    if status == -signal.SIGKILL:
        return _OUT_OF_MEMORY if out_of_memory else _KILLED
    if status >= 0:
        return ProcessExit(f"its process ended by itself (exit status {status})", _SEE_LOG)
    names = {number.value: number.name for number in signal.Signals}
    return ProcessExit(f"its process was ended by {names.get(-status, f'signal {-status}')}", _SEE_LOG)


class OomKills:
    """The kernel's count of the processes that it killed for memory in this process's control group."""

    def __init__(
        self, membership: Path = Path("/proc/self/cgroup"), groups: Path = Path("/sys/fs/cgroup")
    ) -> None:
        self._files = list(_event_files(membership, groups))
        self._reported = self._count()

    def one_more(self) -> bool:
        """Tell whether there was a kill that was not yet reported; each is reported once."""
        if self._count() <= self._reported:
            return False
        self._reported += 1
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
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return None
    counts = dict(line.split(maxsplit=1) for line in lines if " " in line)
    return int(counts["oom_kill"]) if "oom_kill" in counts else None
