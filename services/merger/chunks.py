"""The chunks that a pile is copied from: opened in one place, and believed only when every byte was seen."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from services.common.errors import DamagedOutputError
from services.common.storage import Store, UnreadableFileError
from services.merger.footer import FooterError, footer_at_end
from services.merger.page_format import check_footer
from services.merger.rows import PlannedRow


class DamagedChunkError(DamagedOutputError):
    """A chunk is missing, or is not what the ledger says; `chunk` is its name in the store."""

    def __init__(self, chunk: str, problem: str) -> None:
        """Say which chunk, what is wrong with it, and what heals it."""
        super().__init__(f"Chunk {chunk} {problem}. Its session has to be binned again.")
        self.chunk = chunk


class ChunkStore:
    """The chunks in the store of a ledger.

    A chunk's sha256 is taken when it is first asked for, and again only after the file has changed: every
    shard holds rows of many chunks, and every chunk has rows in many shards. So keep one per process. It may
    be asked in several threads.
    """

    def __init__(self, store: Store) -> None:
        """Remember the store that chunk names are of."""
        self._store = store
        self._verified: dict[tuple[str, str], Hashable] = {}

    @property
    def connections(self) -> int:
        """How many chunks are best read at once."""
        return self._store.connections

    def verify(self, chunk: str, sha256: str) -> None:
        """Raise `DamagedChunkError` unless the chunk has this sha256."""
        with _blaming(chunk):
            state = self._store.state(chunk)
            if self._verified.get((chunk, sha256)) == state:
                return
            found = self._store.digest(chunk)
        if found != sha256:
            raise DamagedChunkError(chunk, f"was changed (its sha256 is {found}, not {sha256})")
        self._verified[chunk, sha256] = state

    def row_groups(self, chunk: str, rows: Sequence[PlannedRow]) -> Mapping[int, Any]:
        """Return the `RowGroup` of each row, by its number in the chunk.

        Raises `DamagedChunkError` where the chunk is of another format, or holds other rows than these.
        """
        try:
            with _blaming(chunk):
                footer = footer_at_end(partial(self._store.tail, chunk))
            check_footer(footer)
        except FooterError as error:
            raise DamagedChunkError(chunk, f"has another format: {error}") from error
        for row in rows:
            problem = _difference(row, footer.row_groups)
            if problem:
                raise DamagedChunkError(chunk, f"does not hold {row.segment} as planned: {problem}")
        return {row.row_group: footer.row_groups[row.row_group] for row in rows}

    def pages(self, chunk: str, start: int, size: int) -> bytes:
        """Return `size` bytes from byte `start` on."""
        with _blaming(chunk):
            content = self._store.read(chunk, start, size)
        if len(content) != size:
            raise DamagedChunkError(chunk, f"ends {size - len(content)} bytes too early")
        return content


@contextmanager
def _blaming(chunk: str) -> Iterator[None]:
    """Call a file that cannot be read by what it is: a chunk."""
    try:
        yield
    except UnreadableFileError as error:
        raise DamagedChunkError(chunk, error.problem) from error


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
