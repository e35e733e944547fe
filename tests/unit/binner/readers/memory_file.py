"""A recording's file that is no path: its bytes are in memory, reads are noted and may fail."""

import sys
from collections.abc import Sequence
from io import RawIOBase
from pathlib import Path
from typing import Any

from spikemill.services.binner.readers.base import ByteSpan
from spikemill.services.common.errors import NetworkError


class MemoryFile(RawIOBase):
    """Gives its bytes until `good_reads` were made; then it fails, and tells the library `told` of it."""

    name = "sub-1/recording.nwb"

    def __init__(
        self, data: bytes, *, good_reads: int = sys.maxsize, told: type[Exception] | None = None
    ) -> None:
        """Stand at the beginning."""
        self._data = data
        self._place = 0
        self.good_reads = good_reads
        self._told = told
        self.reads: list[ByteSpan] = []
        self.announced: list[ByteSpan] = []
        self.failure: BaseException | None = None

    @classmethod
    def of(cls, path: Path, **how: Any) -> "MemoryFile":
        """Take the bytes of a file."""
        return cls(path.read_bytes(), **how)

    def opened(self) -> "MemoryFile":
        """Return itself: it can be read and can seek."""
        return self

    def expect(self, spans: Sequence[ByteSpan]) -> None:
        """Note the announcement, and from here on what is read after it."""
        self.announced.extend(spans)
        self.reads.clear()

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it can seek."""
        return True

    def tell(self) -> int:
        """Return where the next read begins."""
        return self._place

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place."""
        self._place = {0: 0, 1: self._place, 2: len(self._data)}[whence] + offset
        return self._place

    def readinto(self, buffer: Any) -> int:
        """Read the next bytes, or fail."""
        if self.good_reads == 0:
            self.failure = NetworkError("the line is dead")
            raise self._told("a library's own words") if self._told else self.failure
        self.good_reads -= 1
        piece = self._data[self._place : self._place + len(buffer)]
        buffer[: len(piece)] = piece
        self.reads.append(ByteSpan(self._place, len(piece)))
        self._place += len(piece)
        return len(piece)
