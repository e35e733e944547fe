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
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Death:
    """The end of one incarnation of a child that was not asked to stop."""

    worker: str
    status: int


@dataclass(slots=True)
class Interrupts:
    """Counts Ctrl-C; the first raises KeyboardInterrupt unless the end has already begun."""

    _count: int = 0
    _ending: bool = False
    _end_expected: bool = False

    def presses(self) -> int:
        """Return how many there were."""
        return self._count

    def expect_end(self) -> None:
        """From now on only count: nothing may break off the ordered stop of the children."""
        self._ending = self._end_expected = True

    def check(self) -> None:
        """Raise an interrupt again that was lost: Python drops it where it hits a callback of its own."""
        if self._count and not self._end_expected:
            raise KeyboardInterrupt

    def handle(self, _signal: int, _frame: FrameType | None) -> None:
        """Take one signal."""
        self._count += 1
        if not self._ending:
            self._ending = True
            raise KeyboardInterrupt


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
    hook = sys.unraisablehook

    def report_lost(unraisable: Any) -> None:
        """Report an error that a callback lost, but not an interrupt: `check` raises that again."""
        if not isinstance(unraisable.exc_value, KeyboardInterrupt):
            hook(unraisable)

    sys.unraisablehook = report_lost
    try:
        yield listener
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


class Supervisor:
    """Keeps groups of children running; each incarnation finds its name in SPIKEMILL_WORKER.

    `boot` names this start; `forks` starts the children that may be forked.
    """

    def __init__(self, boot: str, interrupts: Interrupts, forks: ForkServer | None = None) -> None:
        self._boot = boot
        self._interrupts = interrupts
        self._forks = forks
        self._runners: list[ProcessRunner] = []

    @contextmanager
    def running(
        self, *children: Child, report: Callable[[Death], None] | None = None
    ) -> Iterator[Callable[[Child], None]]:
        """Keep the children running while the block runs; afterwards none of their processes is left.

        Yields a function that adds a child to them. `report` is called with each death that was not asked
        for, and must return at once.
        """
        group: list[ProcessRunner] = []

        def add(child: Child) -> None:
            start_child = self._forks.start if self._forks and child.forks else start
            runner = ProcessRunner(child, self._boot, report, self._interrupts.presses, start_child)
            group.append(runner)
            self._runners.append(runner)
            runner.start()

        try:
            for child in children:
                add(child)
            yield add
        finally:
            self._interrupts.expect_end()
            self._runners = [runner for runner in self._runners if runner not in group]
            for runner in group:
                runner.ask_to_stop()
            for runner in group:
                if runner.ident is not None:
                    runner.join()

    def keeps(self, name: str) -> bool:
        """Tell whether a child of this name is kept running."""
        return any(runner.child.name == name for runner in self._runners)

    def check(self) -> None:
        """Raise an EngineError if a child cannot be kept running, KeyboardInterrupt if one was lost."""
        self._interrupts.check()
        for runner in self._runners:
            if runner.failure is not None:
                raise EngineError(runner.failure)

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
        report: Callable[[Death], None] | None,
        presses: Callable[[], int],
        start_child: Callable[[Child, str], Process],
    ) -> None:
        super().__init__(name=f"runner of {child.name}", daemon=True)
        self.child = child
        self.failure: str | None = None
        self._boot = boot
        self._report = report
        self._presses = presses
        self._start_child = start_child
        self._asked_to_stop = threading.Event()

    def ask_to_stop(self) -> None:
        """Have the child ended, and not started again; `join` waits until it is gone."""
        self._asked_to_stop.set()

    def run(self) -> None:
        """Start the child over and over until it is asked to stop or hopeless."""
        ends = EarlyEnds(self.child.restart_policy)
        number = 0
        while not self._asked_to_stop.is_set():
            number += 1
            worker = f"{self._boot}.{self.child.name}.{number}"
            began = time.monotonic()
            status = self._run_once(worker)
            if self._asked_to_stop.is_set():
                return
            if self._report is not None:
                self._report(Death(worker, status))
            ends.record(status, time.monotonic() - began)
            if ends.hopeless():
                self.failure = (
                    f"{self.child.name} does not keep running (exit status {status}): "
                    f"{last_line(self.child.log) or 'it said nothing'}; its log is {self.child.log}"
                )
                return
            self._asked_to_stop.wait(ends.pause())

    def _run_once(self, worker: str) -> int:
        """Run the child once and return its exit status, negative for a signal."""
        try:
            process = self._start_child(self.child, worker)
        except OSError as error:
            self._note(f"cannot start {self.child.name}: {error}")
            return 1
        try:
            while process.poll() is None:
                if self._asked_to_stop.wait(_POLL_CHILD):
                    stop(process, self.child.stop_steps, self._presses)
            return process.wait()
        finally:
            kill_descendants(process)

    def _note(self, text: str) -> None:
        """Leave a line in the child's log where it can be written."""
        try:
            with self.child.log.open("a") as log:
                log.write(f"{text}\n")
        except OSError:
            self.failure = text


@dataclass(slots=True)
class EarlyEnds:
    """The ends in a row that came soon after a start."""

    policy: RestartPolicy
    count: int = 0
    faults: int = 0
    since: float = field(default_factory=time.monotonic)

    def record(self, status: int, lived: float) -> None:
        """Count one end; after a long life the earlier ones count no more."""
        if lived >= self.policy.settled:
            self.count, self.faults = 0, 0
        if self.faults == 0:
            self.since = time.monotonic()
        self.count += 1
        self.faults += status not in _OUTSIDE

    def pause(self) -> float:
        """Return the seconds until the next start."""
        return self.policy.backoff.delay(self.count)

    def hopeless(self) -> bool:
        """Tell whether another start is not worth it."""
        return self.faults >= self.policy.ends and time.monotonic() - self.since >= self.policy.span


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


@contextmanager
def crash_reports(hook: Callable[[Death], None]) -> Iterator[Callable[[Death], None]]:
    """Give a function that hands a death to the hook, in a thread, until the hook succeeds.

    Postgres may have died as well. What is not yet recorded at the end is found by the leases that run out.
    """
    deaths: queue.SimpleQueue[Death | None] = queue.SimpleQueue()
    ended = threading.Event()

    def run() -> None:
        while (death := deaths.get()) is not None:
            while True:
                try:
                    hook(death)
                    break
                except Exception:
                    _log.debug("the death of %s is not yet recorded", death.worker, exc_info=True)
                if ended.wait(_PAUSE):
                    return

    thread = threading.Thread(target=run, name="crash reports", daemon=True)
    thread.start()
    try:
        yield deaths.put
    finally:
        ended.set()
        deaths.put(None)
        thread.join()
