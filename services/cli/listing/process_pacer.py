"""A polite rate for one process that asks archives by itself."""

import time
from collections import defaultdict

_BURST = 10
_LONGEST_WAIT = 30.0


class ProcessPacer:
    """Hands out so many requests a minute to each host; one left alone answers a few at once."""

    def __init__(self, per_minute: int) -> None:
        """Begin with no host asked yet."""
        self._pause = 60.0 / per_minute
        self._next: dict[str, float] = defaultdict(float)

    def wait_for_slot(self, host: str) -> None:
        """Return when the next request to this host may be sent."""
        now = time.monotonic()
        slot = max(self._next[host], now - (_BURST - 1) * self._pause)
        self._next[host] = slot + self._pause
        time.sleep(max(0.0, slot - now))

    def defer(self, host: str, seconds: float) -> None:
        """Ask this host nothing for so long; a person waits, so it is bounded."""
        until = time.monotonic() + min(seconds, _LONGEST_WAIT)
        self._next[host] = max(self._next[host], until)
