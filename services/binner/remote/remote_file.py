"""An asset in its archive as a file object: what is read is fetched in parallel, and little else."""

import gc
import io
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Self

import httpx
from fsspec.caching import BlockCache

from spikemill.services.binner.readers.base import ByteSpan
from spikemill.services.binner.remote.pinned_object import PinnedObject, Progress
from spikemill.services.common.archives.base import Archive
from spikemill.services.common.http import web_client
from spikemill.services.common.rate_limit import RateLimiter
from spikemill.services.common.types import Asset

SMALLEST_PART = 1 << 20
LARGEST_PART = 16 << 20
# HDF5 reads its own structures a few bytes at a time, from all over the file, but mostly at its beginning. In
# blocks they cost a few requests, one after the other, and less than a megabyte that is not needed.
_BLOCK = 64 << 10
_BLOCKS = 1024
_HEAD = 512 << 10
_WHOLE = 1 << 20
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
        self._fill = fill
        self._connections = connections
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="range")
        self._expected: deque[ByteSpan] = deque()
        self._window: deque[_Fetch] = deque()

    def close(self) -> None:
        """Wait until nothing is under way, start nothing more, and free what has come."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._expected.clear()
        self._window.clear()

    def expect(self, spans: Sequence[ByteSpan]) -> None:
        """Begin to fetch these spans after those that are expected already."""
        self._expected.extend(cut_parts(spans, self._connections))
        self._advance()

    def read(self, offset: int, view: memoryview) -> int:
        """Wait for the part at the offset and copy it; return its length, 0 where nothing is expected there.

        What was expected before the offset makes room: it is not read any more. Raises what `fill` raised.
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
        """Make the part that holds the offset the first of the window; False where there is none."""
        if not any(fetch.span.holds(offset) for fetch in self._window):
            if not any(span.holds(offset) for span in self._expected):
                return False
            while not self._expected[0].holds(offset):
                self._expected.popleft()
        while self._window and not self._window[0].span.holds(offset):
            self._window.popleft().arrival.cancel()
        self._advance()
        return True

    def _advance(self) -> None:
        """Start what the window has room for."""
        while self._expected and len(self._window) < self._connections + _SPARE_PARTS:
            span = self._expected.popleft()
            content = bytearray(span.length)
            arrival = self._threads.submit(self._fill, span.offset, memoryview(content))
            self._window.append(_Fetch(span, content, arrival))


def cut_parts(spans: Sequence[ByteSpan], connections: int) -> list[ByteSpan]:
    """Return the spans as parts to fetch, in their order.

    Adjacent spans are joined. A part is small enough that all connections have work, and large enough that
    they seldom wait for the first byte of an answer.
    """
    joined = list(_joined(spans))
    total = sum(span.length for span in joined)
    # Whole rounds of all connections, so that they end together.
    rounds = max(2, -(-total // (LARGEST_PART * connections)))
    parts = _cut(joined, -(-total // (rounds * connections)))
    # The last round has too few parts for all connections: cut finer, each of them has some.
    whole = len(parts) - len(parts) % connections
    rest = parts[whole:]
    return [*parts[:whole], *_cut(rest, -(-sum(part.length for part in rest) // connections))]


def _joined(spans: Iterable[ByteSpan]) -> Iterator[ByteSpan]:
    """Yield the spans that are not empty, adjacent ones joined."""
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


def _cut(spans: Iterable[ByteSpan], wanted: int) -> list[ByteSpan]:
    """Cut each span into the fewest parts of equal length that are not longer than wanted."""
    parts: list[ByteSpan] = []
    for span in spans:
        pieces = max(1, -(-span.length // max(SMALLEST_PART, wanted)))
        length = max(1, -(-span.length // pieces))
        parts += [
            ByteSpan(offset, min(length, span.end - offset))
            for offset in range(span.offset, span.end, length)
        ]
    return parts


class RemoteFile(io.RawIOBase):
    """A file that one thread reads over HTTP.

    Large reads are announced with `expect` and then fetched in parallel; small ones come in blocks, which are
    kept. `failure` is the error of a read that failed: HDF5 masks it.
    """

    def __init__(self, pinned: PinnedObject, connections: int) -> None:
        """Read the beginning, which shows whether parts can be read; a small file is read whole."""
        super().__init__()
        self.name = pinned.asset.path
        self.size = pinned.asset.size
        self.failure: BaseException | None = None
        self.pinned = pinned
        self._position = 0
        self._blocks = BlockCache(_BLOCK, self._fetched, self.size, _BLOCKS)
        self._ahead = ReadAhead(pinned.fill, connections)
        # No range holds the bytes of an empty file.
        self._head = self._fetched(0, self.size if self.size <= _WHOLE else _HEAD) if self.size else b""

    def opened(self) -> Self:
        """Return what HDF5 opens: the file itself."""
        return self

    def expect(self, spans: Sequence[ByteSpan]) -> None:
        """Begin to fetch what will be read next, in this order."""
        self._ahead.expect([span.behind(len(self._head)) for span in spans])

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it can be read anywhere."""
        return True

    def tell(self) -> int:
        """Return where the next read begins."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Have the next read begin elsewhere."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}[whence]
        self._position = base + offset
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what HDF5 and io pass
        """Fill the buffer up to the end of the file, never less: HDF5 does not look at the count.

        Raises what `open_remote` raises; after that every read fails at once.
        """
        if self.failure is not None:
            raise self.failure
        view = memoryview(buffer).cast("B")[: max(0, self.size - self._position)]
        filled = 0
        try:
            while filled < len(view):
                filled += self._read_some(self._position + filled, view[filled:])
        except BaseException as error:
            self.failure = error
            raise
        self._position += len(view)
        return len(view)

    def close(self) -> None:
        """Stop what is under way."""
        if not self.closed:
            self.pinned.close()
            self._ahead.close()
        super().close()

    def _read_some(self, offset: int, view: memoryview) -> int:
        """Read the beginning, else what was expected, else what is small; what is large is announced first.

        Returns how much that was.
        """
        stop = offset + len(view)
        if offset < len(self._head):
            return _copy(self._head[offset:stop], view)
        if count := self._ahead.read(offset, view):
            return count
        if len(view) > _BLOCK:
            self._ahead.expect([ByteSpan(offset, len(view))])
            return self._ahead.read(offset, view)
        return _copy(self._blocks._fetch(offset, stop), view)  # noqa: SLF001 - how fsspec's files ask it

    def _fetched(self, start: int, stop: int) -> bytes:
        """Fetch these bytes, as far as the file has them."""
        content = bytearray(min(stop, self.size) - start)
        self.pinned.fill(start, memoryview(content))
        return bytes(content)


def _copy(content: bytes, view: memoryview) -> int:
    """Fill the view's beginning, and return how much that was."""
    view[: len(content)] = content
    return len(content)


@contextmanager
def open_remote(
    archive: Archive,
    asset: Asset,
    *,
    limiter: RateLimiter,
    connections: int,
    progress: Progress = lambda _arrived: None,
    client: httpx.Client | None = None,
) -> Iterator[RemoteFile]:
    """Open an asset in its archive; `progress` gets the size of each block that arrives, one at a time.

    Raises `NetworkError` (try again), `AssetError` (not available), `NoRangesError` (only as a whole),
    `DamagedDownloadError` (not what was listed, or changed meanwhile); so does every read.
    """
    usable = web_client(connections=connections) if client is None else nullcontext(client)
    with _collected_later(), usable as opened:
        pinned = PinnedObject(archive, asset, opened, limiter=limiter, progress=progress)
        with RemoteFile(pinned, connections) as file:
            yield file


@contextmanager
def _collected_later() -> Iterator[None]:
    """Hold the garbage collector off within the body.

    h5py holds its one lock while HDF5 waits for a file object's bytes, and takes it to forget an object. A
    thread that fetches those bytes and happens to collect one would wait for the reader, and the reader for
    the thread, without end (h5py #2019).
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
