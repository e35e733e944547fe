"""A copy that is under way: a file of its own, for one writer, that a later attempt goes on with."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import BinaryIO

from services.common.folders import sync_folder

_BUFFER = 1 << 20


class PartialFile:
    """The bytes of an asset so far, in order from the first, and the ETag of the object they are of."""

    def __init__(self, stream: BinaryIO, path: Path) -> None:
        """Take over a locked stream that appends."""
        self._stream = stream
        self._etag_file = path.with_name(f"{path.name}.etag")
        self.path = path
        self.size = os.fstat(stream.fileno()).st_size
        self.etag = self._read_etag()

    def append(self, block: bytes) -> None:
        """Add bytes at the end."""
        self._stream.write(block)
        self.size += len(block)

    def restart(self, etag: str | None) -> None:
        """Begin again at the first byte, of the object with this ETag."""
        self._stream.truncate(0)
        self.size = 0
        self._etag_file.write_text(etag or "", encoding="utf-8")
        self.etag = etag

    def settle(self) -> None:
        """Return when all bytes lie on the disk."""
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def publish(self, destination: Path) -> None:
        """Give the settled file its name."""
        self._etag_file.unlink(missing_ok=True)
        self.path.replace(destination)
        sync_folder(destination.parent)

    def discard(self) -> None:
        """Throw the bytes away."""
        self._etag_file.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)

    def _read_etag(self) -> str | None:
        try:
            return self._etag_file.read_text(encoding="utf-8") or None
        except FileNotFoundError:
            return None


@contextmanager
def open_partial(destination: Path) -> Iterator[PartialFile]:
    """Open the partial file of a destination; while another writer holds it, one of another name."""
    for number in count(1):
        path = destination.with_name(f"{destination.name}.partial{'' if number == 1 else f'-{number}'}")
        with path.open("ab", buffering=_BUFFER) as stream:
            if _is_ours(stream, path):
                yield PartialFile(stream, path)
                return


def _is_ours(stream: BinaryIO, path: Path) -> bool:
    """Lock the file; tell whether that succeeded and the path still leads to it.

    Between open and lock its former writer may have published or discarded it.
    """
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except (BlockingIOError, FileNotFoundError):
        return False
