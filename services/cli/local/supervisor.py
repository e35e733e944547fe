"""Keeps the children of an engine running, in groups; the group started last is stopped first."""

import logging
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from spikemill.services.cli.local.children import (
    Child,
    EngineError,
    Process,
    RestartPolicy,
    kill_descendants,
    start,
    stop,
)
from spikemill.services.cli.local.fork_server import ForkServer

_POLL = 0.05
_POLL_CHILD = 0.1
# A last line is shorter than this, in bytes.
_TAIL = 4096
# A kill from outside (a person, the kernel short of memory) does not show that the child cannot run.
_OUTSIDE = {-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP, -signal.SIGQUIT}
_PAUSE = 1.0
_log = logging.getLogger(__name__)
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Death:
    """The end of one incarnation of a child that nobody asked for."""

    child: str
    worker: str
    status: int


def tell_nobody(_death: Death) -> None:
    """Pass over a death that no ledger needs to know."""


class Interrupts:
    """Counts the presses; the first raises KeyboardInterrupt unless the end has already begun."""

    def __init__(self) -> None:
        """Begin with none."""
        self._count = 0
        self._ending = False
        self._end_expected = False

    def presses(self) -> int:
        """Return how many there were."""
        return self._count

    def expect_end(self) -> None:
        """From now on only count: nothing may break off the ordered stop of the children."""
        self._ending = self._end_expected = True

    def check(self) -> None:
        """Raise again what was raised and lost: Python drops it where it hits a callback of its own."""
        if self._count and not self._end_expected:
            raise KeyboardInterrupt

    def handle(self, _signal: int, _frame: FrameType | None) -> None:
        """Take one signal."""
        self._count += 1
        if not self._ending:
            self._ending = True
            raise KeyboardInterrupt


class Supervisor:
    """Keeps groups of children running; each incarnation finds its name in SPIKEMILL_WORKER."""

    def __init__(self, boot: str, interrupts: Interrupts, forks: ForkServer | None = None) -> None:
        """Prepare a start named `boot`; `forks` starts the children that may be forked."""
        self._boot = boot
        self._forks = forks
        self._interrupts = interrupts
        self._keepers: list[ProcessRunner] = []

    @contextmanager
    def running(
        self, *children: Child, report: Callable[[Death], None] = tell_nobody
    ) -> Iterator[Callable[[Child], None]]:
        """Keep the children running while the block runs; afterwards none of their processes is left.

        Yields a function that adds a child to them. `report` is told of each death that nobody asked for, and
        must return at once.
        """
        group: list[ProcessRunner] = []

        def add(child: Child) -> None:
            forks = self._forks if child.forks else None
            start_child = start if forks is None else forks.start
            keeper = ProcessRunner(child, self._boot, report, self._interrupts.presses, start_child)
            group.append(keeper)
            self._keepers.append(keeper)
            keeper.start()

        try:
            for child in children:
                add(child)
            yield add
        finally:
            self._interrupts.expect_end()
            self._keepers = [keeper for keeper in self._keepers if keeper not in group]
            _stop(group)

    def keeps(self, name: str) -> bool:
        """Tell whether a child of this name is kept running."""
        return any(keeper.child.name == name for keeper in self._keepers)

    def check(self) -> None:
        """Raise an EngineError if a child cannot be kept running, KeyboardInterrupt if one was lost."""
        self._interrupts.check()
        for keeper in self._keepers:
            keeper.check()

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Wait as long as it takes; raise an EngineError if a child cannot be kept running."""
        while not ready():
            self.check()
            time.sleep(_POLL)


class ProcessRunner(threading.Thread):
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
            if self._asked_to_stop.wait(_POLL_CHILD):
                stop(process, self.child.stop_steps, self._presses)
        return process.wait()

    def _note(self, text: str) -> None:
        """Leave a line in the child's log where it can be written."""
        try:
            with self.child.log.open("a") as log:
                log.write(f"{text}\n")
        except OSError:
            self._failure = text


def _stop(group: list[ProcessRunner]) -> None:
    """Ask all of a group to stop, then wait for each that was started."""
    for keeper in group:
        keeper.ask_to_stop()
    for keeper in group:
        if keeper.ident is not None:
            keeper.join()


@dataclass(slots=True)
class EarlyEnds:
    """The ends in a row that came soon after a start."""

    patience: RestartPolicy
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


DeathHook = Callable[[Death], None]


class CrashReports(threading.Thread):
    """Hands each death to the hook until the hook succeeds: Postgres may have died as well."""

    def __init__(self, hook: DeathHook) -> None:
        """Prepare to call the hook from a thread of its own."""
        super().__init__(name="death reports", daemon=True)
        self._hook = hook
        self._deaths: queue.SimpleQueue[Death | None] = queue.SimpleQueue()
        self._ended = threading.Event()

    def report(self, death: Death) -> None:
        """Have the death told; returns at once."""
        self._deaths.put(death)

    def end(self) -> None:
        """Stop telling; what is still untold is found by the leases that run out."""
        self._ended.set()
        self._deaths.put(None)

    def run(self) -> None:
        """Tell one death after the other."""
        while (death := self._deaths.get()) is not None:
            while not self._told(death):
                if self._ended.wait(_PAUSE):
                    return

    def _told(self, death: Death) -> bool:
        """Call the hook and return whether it succeeded."""
        try:
            self._hook(death)
        except Exception:
            _log.debug("the death of %s is not yet recorded", death.worker, exc_info=True)
            return False
        return True


@contextmanager
def crash_reports(hook: DeathHook) -> Iterator[CrashReports]:
    """Tell the hook of deaths while the block runs."""
    reports = CrashReports(hook)
    reports.start()
    try:
        yield reports
    finally:
        reports.end()
        reports.join()


def _tell_lost(tell: Callable[[Any], object], unraisable: Any) -> None:
    """Tell of an error that a callback lost, but not of an interrupt: `check` raises that again."""
    if not isinstance(unraisable.exc_value, KeyboardInterrupt):
        tell(unraisable)


@contextmanager
def interrupts() -> Iterator[Interrupts]:
    """Listen for the signals while the block runs, in the main thread; a signal that is ignored stays so."""
    listener = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield listener
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    before = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, listener.handle)
    hook, sys.unraisablehook = sys.unraisablehook, partial(_tell_lost, sys.unraisablehook)
    try:
        yield listener
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)
