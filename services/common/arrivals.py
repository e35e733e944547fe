"""The bytes that travel: counted in the ledger whatever came of them."""

from functools import partial

from services.common.database import PATIENCE_FOR_RESULTS, patiently, transaction
from services.common.heartbeat import Heartbeat
from services.common.ledger.recordings import count_arrivals


class Arrivals:
    """Counts the bytes of one asset in one attempt, and ends the attempt when its job was withdrawn."""

    def __init__(self, heartbeat: Heartbeat) -> None:
        """Begin at none."""
        self._heartbeat = heartbeat
        self._bytes = 0

    def note(self, arrived: int) -> None:
        """Add what arrived; raise SupersededError when nobody waits for it any more."""
        self._bytes += arrived
        self._heartbeat.check()

    def record(self, asset_id: int, *, requests: int = 0) -> None:
        """Write the sum into the ledger, and how many requests for parts it took.

        Waits for Postgres where it is away. Where only its answer was lost, the sum is counted twice.
        """
        # It comes before the result, and must not be what loses it.
        if self._bytes or requests:
            patiently(partial(self._record, asset_id, requests), seconds=PATIENCE_FOR_RESULTS)

    def _record(self, asset_id: int, requests: int) -> None:
        with transaction() as ledger:
            count_arrivals(ledger, asset_id, arrived=self._bytes, requests=requests)
