"""The chunks that a pile is copied from: opened in one place, and believed only when every byte was seen."""

import errno
import hashlib
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from services.common.errors import DamagedOutputError, StoreError
from services.merger.footer import FooterError, read_footer
from services.merger.page_format import check_footer
from services.merger.rows import PlannedRow

_BLOCK = 1024 * 1024
_GONE_OR_BROKEN = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EIO}


class DamagedChunkError(DamagedOutputError):
    """A chunk is missing, or is not what the ledger says; `chunk` is its name in the store."""

    def __init__(self, chunk: str, problem: str) -> None:
        """Say which chunk, what is wrong with it, and what heals it."""
        super().__init__(f"Chunk {chunk} {problem}. Its session has to be binned again.")
        self.chunk = chunk


class ChunkStore:
    """The folder that holds the chunks of a ledger.

    A chunk's sha256 is taken when it is first asked for, and again only after the file has changed: every
    shard holds rows of many chunks, and every chunk has rows in many shards. So keep one store per process.
    """

    def __init__(self, folder: Path) -> None:
        """Remember the folder that chunk names are relative to."""
        self._folder = folder
        self._verified: dict[tuple[str, str], tuple[int, ...]] = {}

    def verify(self, chunk: str, sha256: str) -> None:
        """Raise `DamagedChunkError` unless the chunk has this sha256."""
        with self._opened(chunk) as file:
            state = _state(file)
            if self._verified.get((chunk, sha256)) == state:
                return
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != sha256:
            raise DamagedChunkError(chunk, f"was changed (its sha256 is {found}, not {sha256})")
        self._verified[chunk, sha256] = state

    def row_groups(self, chunk: str, rows: Sequence[PlannedRow]) -> Mapping[int, Any]:
        """Return the `RowGroup` of each row, by its number in the chunk.

        Raises `DamagedChunkError` where the chunk is of another format, or holds other rows than these.
        """
        with self._opened(chunk) as file:
            try:
                footer = read_footer(file)
                check_footer(footer)
            except FooterError as error:
                raise DamagedChunkError(chunk, f"has another format: {error}") from error
        for row in rows:
            problem = _difference(row, footer.row_groups)
            if problem:
                raise DamagedChunkError(chunk, f"does not hold {row.segment} as planned: {problem}")
        return {row.row_group: footer.row_groups[row.row_group] for row in rows}

    def pages(self, chunk: str, start: int, size: int) -> Iterator[bytes]:
        """Yield `size` bytes from byte `start` on, in blocks."""
        with self._opened(chunk) as file:
            file.seek(start)
            while size:
                block = file.read(min(size, _BLOCK))
                if not block:
                    raise DamagedChunkError(chunk, f"ends {size} bytes too early")
                size -= len(block)
                yield block

    @contextmanager
    def _opened(self, chunk: str) -> Iterator[io.BufferedReader]:
        try:
            with (self._folder / chunk).open("rb") as file:
                yield file
        except OSError as error:
            if error.errno in _GONE_OR_BROKEN:
                raise DamagedChunkError(chunk, f"cannot be read ({error.strerror})") from error
            raise StoreError(
                f"Chunk {chunk} cannot be read: {error.strerror}. Is the store in order?"
            ) from error


def _state(file: io.BufferedReader) -> tuple[int, ...]:
    """Return what changes when a file is replaced or written to."""
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _difference(row: PlannedRow, row_groups: Sequence[Any]) -> str | None:
    """Compare a planned row with what the chunk's footer says of its row group; return what differs."""
    if row.row_group >= len(row_groups):
        return f"there are {len(row_groups)} row groups, none with the number {row.row_group}"
    row_group = row_groups[row.row_group]
    counts, *names = (column.meta_data for column in row_group.columns)
    planned = (1, row.tokens, row.compressed_bytes, row.subject, row.session, row.segment, row.source)
    sizes = (
        row_group.num_rows,
        counts.num_values,
        sum(c.meta_data.total_compressed_size for c in row_group.columns),
    )
    found = (*sizes, *(_only_value(name.statistics) for name in names))
    labels = ("rows", "tokens", "bytes", "subject", "session", "segment", "source")
    for label, wanted, value in zip(labels, planned, found, strict=True):
        if value != wanted:
            return f"row group {row.row_group} has {label} {value}, planned {wanted}"
    return None


def _only_value(statistics: Any) -> str | None:
    """Return the text that a one-row column holds, by its bounds."""
    if statistics is None or statistics.min_value is None or statistics.min_value != statistics.max_value:
        return None
    return bytes(statistics.min_value).decode("utf-8", errors="replace")
