"""Fetching in parallel what will be read next, in the order in which it will be read."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from services.common.ranges.spans import ByteSpan, cut_parts

Fill = Callable[[int, memoryview], None]

# Beyond those under way a few that wait to be read, so that no connection rests while HDF5 inflates.
_SPARE_PARTS = 2


@dataclass(frozen=True, slots=True)
class _Fetch:
    """A part that is under way or has come."""

    span: ByteSpan
    content: bytearray
    arrival: Future[None]


class ReadAhead:
    """A window that moves over the expected parts; what it holds is bounded by its length.

    For one reader; the parts are fetched by threads of its own.
    """

    def __init__(self, fill: Fill, connections: int) -> None:
        """Expect nothing yet; `fill` fetches a part into a view, in any thread."""
        self._fill = fill
        self._connections = connections
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="range")
        self._expected: deque[ByteSpan] = deque()
        self._window: deque[_Fetch] = deque()

    def close(self) -> None:
        """Start nothing more, and return when nothing is under way; what has come is let go."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._expected.clear()
        self._window.clear()

    def expect(self, spans: Sequence[ByteSpan]) -> None:
        """Begin to fetch these spans after those that are expected already."""
        self._expected.extend(cut_parts(spans, self._connections))
        self._advance()

    def read(self, offset: int, view: memoryview) -> int:
        """Copy what is there at the offset, when it has come; return its length, 0 where nothing is expected.

        What was expected before that place is not read any more and makes room. Raises what `fill` raised.
        """
        if not self._skip_to(offset):
            return 0
        fetch = self._window[0]
        fetch.arrival.result()
        start = offset - fetch.span.offset
        piece = memoryview(fetch.content)[start : start + len(view)]
        view[: len(piece)] = piece
        if offset + len(piece) == fetch.span.end:
            self._window.popleft()
            self._advance()
        return len(piece)

    def _skip_to(self, offset: int) -> bool:
        """Make the part that holds the offset the first of the window; tell whether there is one."""
        if not _holds(offset, (fetch.span for fetch in self._window)):
            if not _holds(offset, self._expected):
                return False
            self._drop_window()
            while not _holds(offset, [self._expected[0]]):
                self._expected.popleft()
        while self._window and not _holds(offset, [self._window[0].span]):
            self._window.popleft().arrival.cancel()
        self._advance()
        return True

    def _drop_window(self) -> None:
        while self._window:
            self._window.popleft().arrival.cancel()

    def _advance(self) -> None:
        """Start what the window has room for."""
        while self._expected and len(self._window) < self._connections + _SPARE_PARTS:
            span = self._expected.popleft()
            content = bytearray(span.length)
            arrival = self._threads.submit(self._fill, span.offset, memoryview(content))
            self._window.append(_Fetch(span, content, arrival))


def _holds(offset: int, spans: Iterable[ByteSpan]) -> bool:
    return any(span.offset <= offset < span.end for span in spans)
