"""Ctrl-C and its relatives: the first one ends the block, the further ones only hasten the end."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Counts the presses; the first raises KeyboardInterrupt unless the end has already begun."""

    def __init__(self) -> None:
        """Begin with none."""
        self._count = 0
        self._ending = False

    def presses(self) -> int:
        """Return how many there were."""
        return self._count

    def expect_end(self) -> None:
        """From now on only count: nothing may break off the ordered stop of the children."""
        self._ending = True

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
    try:
        yield listener
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
