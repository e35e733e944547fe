"""Keeps a job's lease alive while its worker computes."""

import logging
from contextvars import copy_context
from threading import Event, Thread
from types import TracebackType
from typing import Self

from services.common.database import is_connection_lost, transaction
from services.common.ledger.claims import Claim, SupersededError, heartbeat
from services.common.settings import settings

_log = logging.getLogger(__name__)


class Heartbeat:
    """Renews a lease from a thread of its own, with a connection of its own."""

    def __init__(self, claim: Claim) -> None:
        """Prepare to keep the claim alive; entering the context starts the thread."""
        self._claim = claim
        self._stop = Event()
        self._lost = Event()
        # What it logs is about the same job.
        run = copy_context().run
        self._thread = Thread(target=run, args=(self._beat,), name=f"heartbeat-{claim.job}", daemon=True)

    def __enter__(self) -> Self:
        """Start to beat."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop to beat, and wait for the last one to land."""
        self._stop.set()
        self._thread.join()

    def check(self) -> None:
        """Raise SupersededError when the job is no longer ours: long work asks now and then."""
        if self._lost.is_set():
            raise SupersededError(f"Job {self._claim.job} was withdrawn.")

    def _beat(self) -> None:
        while not self._stop.wait(settings().heartbeat.total_seconds()):
            try:
                with transaction() as ledger:
                    is_ours = heartbeat(ledger, self._claim)
            except Exception as error:
                # A database that cannot be reached is not a lost lease.
                if not is_connection_lost(error):
                    _log.exception("the lease could not be renewed")
                continue
            if not is_ours:
                self._lost.set()
                return
