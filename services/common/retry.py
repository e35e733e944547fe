"""When to try again: which HTTP answers are transient, and how long to wait between tries.

Only short waits are meant; the longer ones are the ledger's (`errors.RETRY_TABLE`).
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from math import inf

from tenacity import RetryCallState, Retrying, retry_if_exception

ASKS_TO_WAIT = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
"""The answers of a server that is well, but cannot serve this request now."""


def is_transient(status: int) -> bool:
    """Return whether the same request may succeed later: the server asks to wait, or is in trouble."""
    return status in ASKS_TO_WAIT or status >= HTTPStatus.INTERNAL_SERVER_ERROR


@dataclass(frozen=True, slots=True)
class Backoff:
    """The tries of one request and the seconds between them; None lets the caller end them.

    With `jitter` each pause is a random part of its length: those who failed together come back apart.
    """

    tries: int | None = None
    first_pause: float = 1.0
    longest_pause: float = 30.0
    jitter: bool = False

    def pause(self, failures: int, asked: float | None = None) -> float | None:
        """Return the seconds to wait after so many failures, or None where it is time to give up.

        `asked` is what the server asked for; more than the longest pause is not waited for here.
        """
        is_last = self.tries is not None and failures >= self.tries
        if is_last or (asked or 0.0) > self.longest_pause:
            return None
        return self.delay(failures) if asked is None else asked

    def delay(self, failures: int) -> float:
        """Return the seconds to wait after so many failures, however many they are."""
        seconds = min(self.first_pause * 2.0 ** min(failures - 1, 16), self.longest_pause)
        return random.uniform(0.0, seconds) if self.jitter else seconds  # noqa: S311 - no secret

    def retrying(self, again: Callable[[BaseException], bool], *, within: float = inf) -> Retrying:
        """Return what calls a function again after errors that `again` accepts, `within` so many seconds."""

        def is_over(state: RetryCallState) -> bool:
            is_late = (state.seconds_since_start or 0.0) >= within
            return is_late or self.pause(state.attempt_number) is None

        return Retrying(
            retry=retry_if_exception(again),
            stop=is_over,
            wait=lambda state: self.delay(state.attempt_number),
            reraise=True,
        )
