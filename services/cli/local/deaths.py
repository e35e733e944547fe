"""Tells the ledger of workers that died, without holding up the keeper that starts the next one."""

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from services.cli.local.keeper import Death

DeathHook = Callable[[Death], None]
_PAUSE = 1.0
_log = logging.getLogger(__name__)


class DeathReports(threading.Thread):
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
def death_reports(hook: DeathHook) -> Iterator[DeathReports]:
    """Tell the hook of deaths while the block runs."""
    reports = DeathReports(hook)
    reports.start()
    try:
        yield reports
    finally:
        reports.end()
        reports.join()
