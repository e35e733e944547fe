"""Stretches of a file's bytes, and the parts that they are fetched in."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

SMALLEST_PART = 1 << 20
LARGEST_PART = 16 << 20


class ByteSpan(NamedTuple):
    """A stretch of a file: `length` bytes from `offset` on."""

    offset: int
    length: int

    @property
    def end(self) -> int:
        """The offset of the first byte behind it."""
        return self.offset + self.length

    def behind(self, offset: int) -> "ByteSpan":
        """Return what of it lies at the offset or behind it, which may be nothing."""
        start = min(max(self.offset, offset), self.end)
        return ByteSpan(start, self.end - start)


def cut_parts(spans: Sequence[ByteSpan], connections: int) -> list[ByteSpan]:
    """Return the spans as parts to fetch, in their order.

    Spans that lie side by side are joined. A part is small enough that all connections have work, and large
    enough that they seldom wait for the first byte of an answer.
    """
    joined = list(_joined(spans))
    total = sum(span.length for span in joined)
    # Whole rounds of all connections, so that they end together.
    rounds = max(2, -(-total // (LARGEST_PART * connections)))
    wanted = -(-total // (rounds * connections))
    parts = [part for span in joined for part in _cut(span, max(SMALLEST_PART, wanted))]
    whole = len(parts) - len(parts) % connections
    return [*parts[:whole], *_shared(parts[whole:], connections)]


def _shared(rest: Sequence[ByteSpan], connections: int) -> list[ByteSpan]:
    """Cut the last round, too few parts for all connections, so fine that each of them has some."""
    wanted = -(-sum(part.length for part in rest) // connections)
    return [part for span in rest for part in _cut(span, max(SMALLEST_PART, wanted))]


def _joined(spans: Iterable[ByteSpan]) -> Iterator[ByteSpan]:
    """Yield the spans that are not empty, each joined with those that begin where it ends."""
    last = ByteSpan(0, 0)
    for span in spans:
        if last.length and span.offset == last.end:
            last = ByteSpan(last.offset, last.length + span.length)
        else:
            if last.length:
                yield last
            last = span
    if last.length:
        yield last


def _cut(span: ByteSpan, longest: int) -> Iterator[ByteSpan]:
    """Cut a span into the fewest parts of equal length that are not too long."""
    pieces = max(1, -(-span.length // longest))
    length = -(-span.length // pieces)
    for offset in range(span.offset, span.end, max(1, length)):
        yield ByteSpan(offset, min(length, span.end - offset))
