"""The sign of progress that a process leaves in a file, and that its health check reads.

Times are those of the kernel's monotonic clock, which all processes of a machine share.
"""

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pulse:
    """When a process began and last moved; of a worker also its processes and the kinds of its jobs."""

    began: float
    beat: float
    processes: Sequence[int] = ()
    kinds: Sequence[str] = ()


class PulseFile:
    """Where one process notes its pulse."""

    def __init__(self, path: Path) -> None:
        """Note it in this file."""
        self._path = path
        self._began = time.monotonic()
        self._failed = False

    def beat(self, processes: Sequence[int] = (), kinds: Sequence[str] = ()) -> None:
        """Note that the process moves; a file that cannot be written is told of once, and stops nothing."""
        pulse = Pulse(self._began, time.monotonic(), list(processes), list(kinds))
        aside = self._path.with_name(f"{self._path.name}.new")
        try:
            aside.write_text(json.dumps(asdict(pulse)))
            aside.replace(self._path)
        except OSError as error:
            if not self._failed:
                _log.warning("the pulse cannot be noted, so health checks will fail: %s", error)
            self._failed = True


def read_pulse(path: Path) -> Pulse | None:
    """Return the last pulse that was noted in a file."""
    try:
        return Pulse(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None
