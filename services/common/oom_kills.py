"""How often the kernel killed a process of this container for memory: it keeps count in the control group."""

from collections.abc import Iterator
from pathlib import Path

_MEMBERSHIP = Path("/proc/self/cgroup")
_GROUPS = Path("/sys/fs/cgroup")
_COUNT = "oom_kill"


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
