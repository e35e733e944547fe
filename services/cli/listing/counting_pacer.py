"""A pacer that knows how many requests it let through."""

from services.common.pacing import RequestPacer


class CountingPacer:
    """Counts the slots that it asks another pacer for."""

    def __init__(self, pacer: RequestPacer) -> None:
        """Begin with none."""
        self._pacer = pacer
        self.requests = 0

    def wait_for_slot(self, host: str) -> None:
        """Return when the next request to this host may be sent, and count it."""
        self._pacer.wait_for_slot(host)
        self.requests += 1

    def defer(self, host: str, seconds: float) -> None:
        """Give out no slot of this host for so long."""
        self._pacer.defer(host, seconds)
