"""An asset in its archive as a file object: what is read of it is fetched, and little else."""

import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Self

import httpx
from fsspec.caching import BlockCache

from services.common.archives.base import Asset
from services.common.archives.links import Links
from services.common.pacing import RequestPacer
from services.common.ranges.garbage import collected_later
from services.common.ranges.pinned_object import PinnedObject
from services.common.ranges.read_ahead import ReadAhead
from services.common.ranges.spans import ByteSpan
from services.common.web import web_client

# HDF5 reads its own structures a few bytes at a time, from all over the file, but mostly at its beginning. In
# blocks they cost a few requests, one after the other, and less than a megabyte that nobody needs.
_BLOCK = 64 << 10
_BLOCKS = 1024
_HEAD = 512 << 10
_WHOLE = 1 << 20


class RemoteFile(io.RawIOBase):
    """A file that one thread reads over HTTP.

    Large reads are announced with `expect` and then fetched in parallel; small ones come in blocks, which are
    kept. `failure` is the error of a read that failed: HDF5 would tell another one in its place.
    """

    def __init__(self, pinned: PinnedObject, connections: int) -> None:
        """Read the beginning, which shows whether the object can be read in parts; of a small one, all."""
        super().__init__()
        self.name = pinned.asset.path
        self.size = pinned.asset.size
        self.failure: BaseException | None = None
        self._pinned = pinned
        self._position = 0
        self._blocks = BlockCache(_BLOCK, self._fetched, self.size, _BLOCKS)
        self._ahead = ReadAhead(pinned.fill, connections)
        # No range holds the bytes of an empty file.
        self._head = self._fetched(0, self.size if self.size <= _WHOLE else _HEAD) if self.size else b""

    @property
    def etag(self) -> str | None:
        """The ETag that every part bore."""
        return self._pinned.etag

    @property
    def identified_by(self) -> str:
        """What ties the object to its listing: `etag` where that is a listed digest, else only its `size`."""
        return self._pinned.identified_by

    @property
    def bytes_fetched(self) -> int:
        """How many bytes of the object travelled."""
        return self._pinned.bytes_fetched

    @property
    def requests(self) -> int:
        """How many requests the storage answered."""
        return self._pinned.requests

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
        try:
            self._fill(view)
        except BaseException as error:
            self.failure = error
            raise
        self._position += len(view)
        return len(view)

    def close(self) -> None:
        """Stop what is under way."""
        if not self.closed:
            self._pinned.close()
            self._ahead.close()
        super().close()

    def _fill(self, view: memoryview) -> None:
        filled = 0
        while filled < len(view):
            filled += self._read_some(self._position + filled, view[filled:])

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
        self._pinned.fill(start, memoryview(content))
        return bytes(content)


@contextmanager
def open_remote(
    links: Links,
    asset: Asset,
    *,
    pacer: RequestPacer,
    connections: int,
    progress: Callable[[int], None] | None = None,
    client: httpx.Client | None = None,
) -> Iterator[RemoteFile]:
    """Open an asset where it lies; `progress` is told of each block that arrives, one at a time.

    Raises `NetworkError` (try again), `AssetError` (it is not to be had), `NoRangesError` (only as a whole),
    `DamagedDownloadError` (it is not what was listed, or changed meanwhile); so does every read.
    """
    usable = web_client(connections=connections) if client is None else nullcontext(client)
    with collected_later(), usable as opened:
        pinned = PinnedObject(links, asset, opened, pacer=pacer, progress=progress or _ignore)
        with RemoteFile(pinned, connections) as file:
            yield file


def _copy(content: bytes, view: memoryview) -> int:
    """Fill the view's beginning, and return how much that was."""
    view[: len(content)] = content
    return len(content)


def _ignore(_arrived: int) -> None:
    """Tell nobody."""
