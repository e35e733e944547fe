"""Ctrl-C and its relatives: the first one ends the block, the further ones only hasten the end."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


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
