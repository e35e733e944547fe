"""A limiter that lets everything go at once."""


class NotingLimiter:
    """Notes what it is asked for."""

    def __init__(self) -> None:
        """Start with nothing asked."""
        self.slots: list[str] = []
        self.deferred: list[tuple[str, float]] = []

    def wait_for_slot(self, host: str) -> None:
        """Note the host and let it go on."""
        self.slots.append(host)

    def defer(self, host: str, seconds: float) -> None:
        """Note the pause."""
        self.deferred.append((host, seconds))
