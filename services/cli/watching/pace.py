"""How fast a build goes, and how long the rest will take: from what was seen of it so far."""

from collections import deque

from services.cli.watching.snapshot import Snapshot

_WINDOW = 30.0
_SHORTEST = 1.0


class Pace:
    """Remembers what was seen: all of the recent past, and the beginning."""

    def __init__(self) -> None:
        """Begin before anything was seen."""
        self._recent: deque[tuple[float, int]] = deque()
        self._first: Snapshot | None = None
        self._last: Snapshot | None = None

    def note(self, snapshot: Snapshot) -> None:
        """See how the build stands now."""
        if self._first is None or (not self._first.is_listed and snapshot.is_listed):
            self._first = snapshot
        self._last = snapshot
        self._recent.append((snapshot.taken_at, snapshot.status.tokens_done))
        while len(self._recent) > 1 and self._recent[1][0] <= snapshot.taken_at - _WINDOW:
            self._recent.popleft()

    def tokens_per_second(self) -> float:
        """Return the rate over the recent past."""
        if not self._recent:
            return 0.0
        (began, before), (now, after) = self._recent[0], self._recent[-1]
        return max(0, after - before) / (now - began) if now - began >= _SHORTEST else 0.0

    def seconds_left(self) -> float | None:
        """Return how long the remaining bytes will take at the pace so far; None while nobody can know."""
        first, last = self._first, self._last
        if first is None or last is None or not last.is_listed:
            return None
        settled, elapsed = last.bytes.settled - first.bytes.settled, last.taken_at - first.taken_at
        if settled <= 0 or elapsed < _SHORTEST:
            return None
        return (last.bytes.total - last.bytes.settled) * elapsed / settled
