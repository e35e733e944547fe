"""Shards: column pages copied from chunks under a new footer, and the rows that a shard holds."""

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
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
from spikemill.services.common.types import PlannedRow, PlannedShard, Row
from spikemill.services.merger.parquet_concat import (
    MAGIC,
    FooterError,
    check_footer,
    common_footer,
    footer_at_end,
    footer_bytes,
    join_row_groups,
    read_footer,
)
from spikemill.services.merger.provenance import ShardRecord


class DamagedChunkError(DamagedOutputError):
    """A chunk is missing, or is not what the ledger says; `chunk` is its name in the store."""

    def __init__(self, chunk: str, problem: str) -> None:
        """Say which chunk, what is wrong with it, and how it is repaired."""
        super().__init__(f"Chunk {chunk} {problem}. Its session has to be binned again.")
        self.chunk = chunk


@dataclass(frozen=True, slots=True)
class ChunkStore:
    """The chunks in the store of a ledger.

    A chunk's sha256 is taken when it is first asked for, and again only after the file has changed: every
    shard holds rows of many chunks, and every chunk has rows in many shards. So keep one per process. It may
    be asked in several threads.
    """

    store: Store
    _verified: dict[tuple[str, str], Hashable] = field(default_factory=dict, init=False)

    def row_groups(self, rows: Sequence[PlannedRow]) -> Mapping[PlannedRow, Any]:
        """Verify the chunk that holds all these rows, and return the `RowGroup` of each.

        Raises `DamagedChunkError` where the chunk was changed, is of another format, or holds other rows.
        """
        chunk = rows[0].chunk
        self.verify(chunk, rows[0].chunk_sha256)
        try:
            with _blaming(chunk):
                footer = footer_at_end(partial(self.store.tail, chunk))
            check_footer(footer)
        except FooterError as error:
            raise DamagedChunkError(chunk, f"has another format: {error}") from error
        for row in rows:
            problem = _difference(row, footer.row_groups)
            if problem:
                raise DamagedChunkError(chunk, f"does not hold {row.segment} as planned: {problem}")
        return {row: footer.row_groups[row.row_group] for row in rows}

    def verify(self, chunk: str, sha256: str) -> None:
        """Raise `DamagedChunkError` unless the chunk has this sha256."""
        with _blaming(chunk):
            state = self.store.state(chunk)
            if self._verified.get((chunk, sha256)) == state:
                return
            found = self.store.digest(chunk)
        if found != sha256:
            raise DamagedChunkError(chunk, f"was changed (its sha256 is {found}, not {sha256})")
        self._verified[chunk, sha256] = state

    def pages(self, chunk: str, start: int, size: int) -> bytes:
        """Return `size` bytes from byte `start` on."""
        with _blaming(chunk):
            content = self.store.read(chunk, start, size)
        if len(content) != size:
            raise DamagedChunkError(chunk, f"ends {size - len(content)} bytes too early")
        return content


@contextmanager
def _blaming(chunk: str) -> Iterator[None]:
    try:
        yield
    except UnreadableFileError as error:
        raise DamagedChunkError(chunk, error.problem) from error


def _difference(row: PlannedRow, row_groups: Sequence[Any]) -> str | None:
    """Compare a planned row with what the chunk's footer says of its row group; return what differs."""
    if row.row_group >= len(row_groups):
        return f"there are {len(row_groups)} row groups, none with the number {row.row_group}"
    row_group = row_groups[row.row_group]
    columns = [column.meta_data for column in row_group.columns]
    subject, session, segment, source = (_only_value(column.statistics) for column in columns[1:])
    size = sum(column.total_compressed_size for column in columns)
    for label, wanted, found in (
        ("rows", 1, row_group.num_rows),
        ("tokens", row.tokens, columns[0].num_values),
        ("bytes", row.compressed_bytes, size),
        ("subject", row.subject, subject),
        ("session", row.session, session),
        ("segment", row.segment, segment),
        ("source", row.source, source),
    ):
        if found != wanted:
            return f"row group {row.row_group} has {label} {found}, planned {wanted}"
    return None


def _only_value(statistics: Any) -> str | None:
    """Return the text that a one-row column holds, by its bounds."""
    if statistics is None or statistics.min_value is None or statistics.min_value != statistics.max_value:
        return None
    return bytes(statistics.min_value).decode("utf-8", errors="replace")


class _DigestingFile:
    """A file that is written from front to back, and its sha256."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.position = 0

    def write(self, data: bytes | memoryview) -> None:
        self._file.write(data)
        self.digest.update(data)
        self.position += len(data)


def write_shard(shard: PlannedShard, chunks: ChunkStore, path: Path) -> ShardRecord:
    """Write a planned shard to `path`, a temporary name; nothing is left there if it cannot be finished.

    Raises `DamagedChunkError` where a chunk is missing, changed or of another format, `StoreError` where
    the file cannot be written.
    """
    with ThreadPoolExecutor(chunks.store.connections, thread_name_prefix="chunk") as threads:
        sources = _source_row_groups(shard.rows, chunks, threads)
        needs = f"about {sum(row.compressed_bytes for row in shard.rows):,} bytes"
        with writing(path, needs=needs), whole_or_none(path), path.open("wb") as file:
            target = _DigestingFile(file)
            _write(shard, sources, chunks, target, threads)
    return ShardRecord(
        name=shard.name,
        split=shard.split,
        bytes=target.position,
        sha256=target.digest.hexdigest(),
        rows=len(shard.rows),
        tokens=shard.tokens,
    )


def _source_row_groups(
    rows: Sequence[PlannedRow], chunks: ChunkStore, threads: Executor
) -> Mapping[PlannedRow, Any]:
    by_chunk: dict[tuple[str, str], list[PlannedRow]] = defaultdict(list)
    for row in rows:
        by_chunk[row.chunk, row.chunk_sha256].append(row)
    sources: dict[PlannedRow, Any] = {}
    for found in threads.map(chunks.row_groups, by_chunk.values()):
        sources.update(found)
    return sources


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
    target.write(footer_bytes(common_footer(row_groups)))


def _column_pages(chunks: ChunkStore, row: PlannedRow, source: Any) -> list[memoryview]:
    """Return the pages of each column of a row: they are adjacent, so they are read at once."""
    columns = [column.meta_data for column in source.columns]
    start = min(column.data_page_offset for column in columns)
    end = max(column.data_page_offset + column.total_compressed_size for column in columns)
    content = memoryview(chunks.pages(row.chunk, start, end - start))
    return [content[column.data_page_offset - start :][: column.total_compressed_size] for column in columns]


@dataclass(frozen=True, slots=True)
class DecodedRow(Row):
    """A row as a shard holds it; `counts` is the sum over its n_units x n_bins cells."""

    row_group: int
    n_units: int
    n_bins: int
    counts: int


def decoded_rows(path: Path, *, row_group: int | None = None) -> Iterator[DecodedRow]:
    """Read a shard from front to back, every page of it; memory is bounded by a row group.

    With `row_group` only that one is read; -1 is the last. Raises `DamagedOutputError` where the file is
    missing, of another format, or cannot be decoded.
    """
    try:
        with path.open("rb") as file:
            check_footer(read_footer(file))
        with pq.ParquetFile(path, page_checksum_verification=True) as shard:
            if not shard.schema_arrow.equals(SCHEMA, check_metadata=True):
                raise DamagedOutputError(f"{path} has another schema, or other features, than a pile")
            groups = range(shard.num_row_groups)
            for group in groups if row_group is None else groups[row_group:][:1]:
                for batch in shard.iter_batches(batch_size=1, row_groups=[group], use_threads=False):
                    yield decoded_row(batch, group, path)
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
    n_units, n_bins = len(units), int(lengths[0])
    subject, session, segment, source = (batch.column(index)[0].as_py() for index in range(1, 5))
    return DecodedRow(
        source=source,
        subject=subject,
        session=session,
        segment=segment,
        tokens=n_units * n_bins,
        row_group=row_group,
        n_units=n_units,
        n_bins=n_bins,
        counts=pc.sum(units.flatten()).as_py(),
    )
