"""A stretch of an object on its way: the place for its bytes, and how many have come."""

from services.common.ranges.spans import ByteSpan


class Part:
    """Bytes from `offset` on, in order, into a view of their final place."""

    def __init__(self, offset: int, view: memoryview) -> None:
        """Begin with no byte."""
        self._offset = offset
        self._view = view
        self.filled = 0

    def restart(self) -> None:
        """Forget what came: it cannot be relied on."""
        self.filled = 0

    @property
    def is_full(self) -> bool:
        """Whether all bytes have come."""
        return self.filled == len(self._view)

    @property
    def rest(self) -> ByteSpan:
        """What is still to be fetched."""
        return ByteSpan(self._offset + self.filled, len(self._view) - self.filled)

    def append(self, block: bytes) -> None:
        """Add the next bytes, which must not be more than are lacking."""
        end = self.filled + len(block)
        self._view[self.filled : end] = block
        self.filled = end
