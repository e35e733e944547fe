"""Shards: column pages copied from chunks under a new footer, then read again and compared."""

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from spikemill.services.common.errors import DamagedOutputError
from spikemill.services.common.files import whole_or_none, writing
from spikemill.services.common.parquet_schema import SCHEMA
from spikemill.services.common.store import Store, UnreadableFileError
from spikemill.services.common.types import PlannedRow, PlannedShard
from spikemill.services.merger.parquet_concat import (
    MAGIC,
    FooterError,
    check_footer,
    expected_footer,
    footer_at_end,
    footer_bytes,
    join_row_groups,
    read_footer,
    structures,
)


@dataclass(frozen=True, slots=True)
class WrittenShard:
    """What a written file is: its size, its digest and what it holds."""

    bytes: int
    sha256: str
    rows: int
    tokens: int


class _DigestingFile:
    """A file that is written from front to back, and its sha256."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.position = 0

    def write(self, data: bytes | memoryview) -> None:
        self._file.write(data)
        self._digest.update(data)
        self.position += len(data)

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


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


def write_shard(shard: PlannedShard, chunks: ChunkStore, path: Path) -> WrittenShard:
    """Write a planned shard to `path`, a temporary name; nothing is left there if it cannot be finished.

    Raises `DamagedChunkError` where a chunk is missing, changed or of another format, `StoreError` where
    the file cannot be written.
    """
    with ThreadPoolExecutor(chunks.connections, thread_name_prefix="chunk") as threads:
        sources = _source_row_groups(shard.rows, chunks, threads)
        needs = f"about {sum(row.compressed_bytes for row in shard.rows):,} bytes"
        with writing(path, needs=needs), whole_or_none(path), path.open("wb") as file:
            target = _DigestingFile(file)
            _write(shard, sources, chunks, target, threads)
    return WrittenShard(target.position, target.hexdigest(), len(shard.rows), shard.tokens)


def _source_row_groups(
    rows: Sequence[PlannedRow], chunks: ChunkStore, threads: Executor
) -> Mapping[PlannedRow, Any]:
    """Verify every chunk that the rows stand in, and return the `RowGroup` of each row."""
    by_chunk: dict[tuple[str, str], list[PlannedRow]] = defaultdict(list)
    for row in rows:
        by_chunk[row.chunk, row.chunk_sha256].append(row)
    sources: dict[PlannedRow, Any] = {}
    for found in threads.map(partial(_verified_row_groups, chunks), by_chunk.values()):
        sources.update(found)
    return sources


def _verified_row_groups(chunks: ChunkStore, rows: Sequence[PlannedRow]) -> Mapping[PlannedRow, Any]:
    """Verify the chunk that all these rows stand in, and return the `RowGroup` of each."""
    chunk = rows[0].chunk
    chunks.verify(chunk, rows[0].chunk_sha256)
    row_groups = chunks.row_groups(chunk, rows)
    return {row: row_groups[row.row_group] for row in rows}


def _write(
    shard: PlannedShard,
    sources: Mapping[PlannedRow, Any],
    chunks: ChunkStore,
    target: _DigestingFile,
    threads: Executor,
) -> None:
    target.write(MAGIC)
    row_groups = []
    for rows in shard.row_groups:
        parts = [sources[row] for row in rows]
        row_groups.append(join_row_groups(parts, target.position))
        pages = list(threads.map(partial(_column_pages, chunks), rows, parts))
        # Column by column, and in each column row by row.
        for column in zip(*pages, strict=True):
            for block in column:
                target.write(block)
    target.write(footer_bytes(_footer(row_groups, len(shard.rows))))


def _column_pages(chunks: ChunkStore, row: PlannedRow, source: Any) -> list[memoryview]:
    """Return the pages of each column of a row: they stand together, so they are read at once."""
    columns = [column.meta_data for column in source.columns]
    start = min(column.data_page_offset for column in columns)
    end = max(column.data_page_offset + column.total_compressed_size for column in columns)
    content = memoryview(chunks.pages(row.chunk, start, end - start))
    return [content[column.data_page_offset - start :][: column.total_compressed_size] for column in columns]


def _footer(row_groups: Sequence[Any], n_rows: int) -> Any:
    """Return the common footer with these row groups; every chunk was found to have the same."""
    common = expected_footer()
    return structures().FileMetaData(
        version=common.version,
        schema=common.schema,
        num_rows=n_rows,
        row_groups=row_groups,
        key_value_metadata=common.key_value_metadata,
        created_by=common.created_by,
        column_orders=common.column_orders,
    )


class DamagedChunkError(DamagedOutputError):
    """A chunk is missing, or is not what the ledger says; `chunk` is its name in the store."""

    def __init__(self, chunk: str, problem: str) -> None:
        """Say which chunk, what is wrong with it, and what heals it."""
        super().__init__(f"Chunk {chunk} {problem}. Its session has to be binned again.")
        self.chunk = chunk


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


@dataclass(frozen=True, slots=True)
class DecodedRow:
    """What one row of a shard holds; `counts` is the sum over its n_units x n_bins cells."""

    source: str
    subject: str
    session: str
    segment: str
    row_group: int
    n_units: int
    n_bins: int
    counts: int

    @property
    def tokens(self) -> int:
        """Units times bins."""
        return self.n_units * self.n_bins


def decoded_rows(path: Path, *, row_group: int | None = None) -> Iterator[DecodedRow]:
    """Read a shard from front to back, every page of it; memory is bounded by a row group.

    With `row_group` only that one is read; -1 is the last. Raises `DamagedOutputError` where the file is
    missing, of another format, or cannot be decoded.
    """
    try:
        with path.open("rb") as file:
            check_footer(read_footer(file))
        with pq.ParquetFile(path, page_checksum_verification=True) as shard:
            yield from _rows(shard, path, row_group)
    except (FooterError, pa.ArrowException, OSError) as error:
        raise DamagedOutputError(f"{path} cannot be read: {error}") from error


def decoded_row(batch: pa.RecordBatch, row_group: int, file: Path | str) -> DecodedRow:
    """Return what the only row of a batch holds; raises `DamagedOutputError` where it is no matrix."""
    units = batch.column("spike_counts").flatten()
    lengths = np.unique(np.from_dlpack(units.value_lengths()))
    if len(lengths) != 1 or lengths[0] == 0:
        raise DamagedOutputError(
            f"{file}, row group {row_group}: a row is no matrix; its units have {lengths.tolist()} bins"
        )
    subject, session, segment, source = (batch.column(index)[0].as_py() for index in range(1, 5))
    return DecodedRow(
        source=source,
        subject=subject,
        session=session,
        segment=segment,
        row_group=row_group,
        n_units=len(units),
        n_bins=int(lengths[0]),
        counts=pc.sum(units.flatten()).as_py(),
    )


def _rows(shard: pq.ParquetFile, path: Path, row_group: int | None) -> Iterator[DecodedRow]:
    if not shard.schema_arrow.equals(SCHEMA, check_metadata=True):
        raise DamagedOutputError(f"{path} has another schema, or other features, than a pile")
    groups = range(shard.num_row_groups)
    for group in groups if row_group is None else groups[row_group:][:1]:
        for batch in shard.iter_batches(batch_size=1, row_groups=[group], use_threads=False):
            yield decoded_row(batch, group, path)
