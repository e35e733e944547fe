"""A thread that keeps one child running: it starts it, starts it again when it dies, and ends it."""

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from services.cli.local.children import Child, Patience, Process, kill_descendants, start, stop
from services.cli.local.errors import EngineError

_POLL = 0.1
# A last line is shorter than this, in bytes.
_TAIL = 4096
# A kill from outside (a person, the kernel short of memory) does not show that the child cannot run.
_OUTSIDE = {-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP, -signal.SIGQUIT}


@dataclass(frozen=True, slots=True)
class Death:
    """The end of one incarnation of a child that nobody asked for."""

    child: str
    worker: str
    status: int


@dataclass(slots=True)
class EarlyEnds:
    """The ends in a row that came soon after a start."""

    patience: Patience
    count: int = 0
    faults: int = 0
    since: float = field(default_factory=time.monotonic)

    def record(self, status: int, lived: float) -> None:
        """Count one end; a long life before it makes the earlier ones forgotten."""
        if lived >= self.patience.settled:
            self.count, self.faults = 0, 0
        if self.faults == 0:
            self.since = time.monotonic()
        self.count += 1
        self.faults += status not in _OUTSIDE

    def pause(self) -> float:
        """Return the seconds until the next start."""
        return min(self.patience.first_pause * 2.0 ** min(self.count - 1, 16), self.patience.longest_pause)

    def hopeless(self) -> bool:
        """Tell whether another start is not worth it."""
        return self.faults >= self.patience.ends and time.monotonic() - self.since >= self.patience.span


class Keeper(threading.Thread):
    """Keeps one child running until it is asked to stop; lives longer than any incarnation of the child."""

    def __init__(
        self,
        child: Child,
        boot: str,
        report: Callable[[Death], None],
        presses: Callable[[], int],
        start_child: Callable[[Child, str], Process] = start,
    ) -> None:
        """Prepare to keep the child; `report` is told of each death."""
        super().__init__(name=f"keeper of {child.name}", daemon=True)
        self.child = child
        self._boot = boot
        self._report = report
        self._presses = presses
        self._start_child = start_child
        self._asked_to_stop = threading.Event()
        self._failure: str | None = None

    def ask_to_stop(self) -> None:
        """Have the child ended, and not started again; `join` waits until it is gone."""
        self._asked_to_stop.set()

    def check(self) -> None:
        """Raise an EngineError if the child cannot be kept running."""
        if self._failure is not None:
            raise EngineError(self._failure)

    def run(self) -> None:
        """Start the child over and over until it is asked to stop or hopeless."""
        ends = EarlyEnds(self.child.patience)
        number = 0
        while not self._asked_to_stop.is_set():
            number += 1
            worker = f"{self._boot}.{self.child.name}.{number}"
            began = time.monotonic()
            status = self._live(worker)
            if self._asked_to_stop.is_set():
                return
            self._report(Death(self.child.name, worker, status))
            ends.record(status, time.monotonic() - began)
            if ends.hopeless():
                self._failure = _describe(self.child, status)
                return
            self._asked_to_stop.wait(ends.pause())

    def _live(self, worker: str) -> int:
        """Run the child once and return its exit status, negative for a signal."""
        try:
            process = self._start_child(self.child, worker)
        except OSError as error:
            self._note(f"cannot start {self.child.name}: {error}")
            return 1
        try:
            return self._watch(process)
        finally:
            kill_descendants(process)

    def _watch(self, process: Process) -> int:
        """Wait until the child ends by itself or is asked to."""
        while process.poll() is None:
            if self._asked_to_stop.wait(_POLL):
                stop(process, self.child.stop_steps, self._presses)
        return process.wait()

    def _note(self, text: str) -> None:
        """Leave a line in the child's log where it can be written."""
        try:
            with self.child.log.open("a") as log:
                log.write(f"{text}\n")
        except OSError:
            self._failure = text


def _describe(child: Child, status: int) -> str:
    """Say that a child cannot run, in its own last words."""
    return (
        f"{child.name} does not keep running (exit status {status}): "
        f"{last_line(child.log) or 'it said nothing'}; its log is {child.log}"
    )


def last_line(log: Path) -> str:
    """Return the last line of a log that is not blank, or an empty text."""
    try:
        with log.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _TAIL))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
