"""How long a part is asked for again on the spot: seconds; longer waits are the ledger's."""

from tenacity import RetryCallState

from services.common.errors import NetworkError
from services.common.ranges.part import Part

_TRIES = 5
# A try that brings less is no progress: a connection that often breaks gets on, one that drips does not.
_PROGRESS = 1 << 18
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 30.0


class ExpiredLinkError(NetworkError):
    """The storage no longer accepts the link; a new one may be had at once."""


class Patience:
    """Says when a part is given up, and how long to wait before its next try, as `tenacity` asks."""

    def __init__(self, part: Part) -> None:
        """Begin with all tries."""
        self._part = part
        self._filled = part.filled
        self._failures = 0

    def count_failure(self, _state: RetryCallState) -> None:
        """Count a try that failed; after progress it is the first one again."""
        if self._part.filled - self._filled >= _PROGRESS:
            self._filled = self._part.filled
            self._failures = 0
        self._failures += 1

    def is_over(self, state: RetryCallState) -> bool:
        """Tell whether it failed often enough without progress, or the server asked for a long pause."""
        return self._failures >= _TRIES or _asked_pause(state) > _LONGEST_PAUSE

    def pause(self, state: RetryCallState) -> float:
        """Return the seconds to wait: as told, none for a first new link, else twice those of before."""
        if asked := _asked_pause(state):
            return asked
        if self._failures == 1 and isinstance(_error_of(state), ExpiredLinkError):
            return 0.0
        return _FIRST_PAUSE * 2.0 ** (self._failures - 1)


def _asked_pause(state: RetryCallState) -> float:
    error = _error_of(state)
    return (error.retry_after or 0.0) if isinstance(error, NetworkError) else 0.0


def _error_of(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None
