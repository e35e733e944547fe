"""How often an archive is asked: every request to its API first waits for a slot."""

from typing import Protocol


class RequestPacer(Protocol):
    """Hands out the next slot for a request to a host, to all that ask it."""

    def wait_for_slot(self, host: str) -> None:
        """Return when the next request to this host may be sent."""

    def defer(self, host: str, seconds: float) -> None:
        """Give out no slot of this host for so long: it answered with Retry-After."""


class Unpaced:
    """Lets every request go at once: for a single caller, and for tests."""

    def wait_for_slot(self, host: str) -> None:
        """Return at once."""

    def defer(self, host: str, seconds: float) -> None:
        """Forget what the host asked for; the error that follows carries it too."""
