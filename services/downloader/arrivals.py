"""The bytes that travel: counted in the ledger whatever came of them."""

from services.common.database import transaction
from services.common.heartbeat import Heartbeat
from services.common.ledger.recordings import count_bytes


class Arrivals:
    """Counts the bytes of one attempt, and ends it when its job was withdrawn."""

    def __init__(self, heartbeat: Heartbeat) -> None:
        """Begin at none."""
        self._heartbeat = heartbeat
        self._bytes = 0

    def note(self, arrived: int) -> None:
        """Add what arrived; raise SupersededError when nobody waits for it any more."""
        self._bytes += arrived
        self._heartbeat.check()

    def record(self, asset_id: int) -> None:
        """Write the sum into the ledger."""
        if self._bytes:
            with transaction() as ledger:
                count_bytes(ledger, asset_id, self._bytes)
