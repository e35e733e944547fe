"""The processes of a build, as the kernel knows them."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

_Found = TypeVar("_Found")
_POLL = 0.05
_PATIENCE = 120.0


def eventually(condition: Callable[[], _Found | None]) -> _Found:
    """Return what the condition comes to, once that is true; raises TimeoutError if it never is."""
    deadline = time.monotonic() + _PATIENCE
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"for {_PATIENCE:.0f} s this did not become true: {condition}")
        time.sleep(_POLL)
    return found


def children_of(parent: int) -> dict[int, str]:
    """Return the commands of a process's children, by their id."""
    return {pid: command for pid, (above, command) in _processes().items() if above == parent}


def descendants_of(ancestor: int) -> list[int]:
    """Return the ids of all processes below one."""
    found, parents = list[int](), {ancestor}
    processes = _processes()
    while parents := {pid for pid, (above, _) in processes.items() if above in parents}:
        found += parents
    return found


def kill(pid: int) -> None:
    """Kill a process, if it is there."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _processes() -> dict[int, tuple[int, str]]:
    """Return the parent and the command of every living process."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        # A process may end while it is looked at.
        with suppress(OSError):
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if state != "Z":
                found[int(folder.name)] = int(parent), command
    return found
