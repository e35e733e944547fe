"""One rate for each archive, kept by all workers together in the ledger."""

import time

from services.common.database import transaction
from services.common.errors import NetworkError
from services.common.ledger.slots import defer_slots, take_slot
from services.common.settings import settings

# A longer wait is the job's, not the worker's.
_LONGEST_WAIT = 30.0


class LedgerPacer:
    """Hands out request slots from the ledger."""

    def wait_for_slot(self, host: str) -> None:
        """Return when the next request to this host may be sent.

        Raises NetworkError when that is long from now: the job goes back to the queue meanwhile.
        """
        with transaction() as ledger:
            wait = take_slot(ledger, host, per_minute=settings().requests_per_minute)
        if wait > _LONGEST_WAIT:
            raise NetworkError(f"{host} asked us to wait.", retry_after=wait)
        time.sleep(wait)

    def defer(self, host: str, seconds: float) -> None:
        """Let nobody ask this host for so long."""
        with transaction() as ledger:
            defer_slots(ledger, host, seconds)
