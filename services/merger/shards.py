"""Shards: column pages copied from chunks under a new footer, never decoded, in bounded memory."""

import errno
import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from services.common.errors import StoreError
from services.common.folders import DISK_FULL
from services.merger.chunks import ChunkStore
from services.merger.footer import MAGIC, footer_bytes, structures
from services.merger.joining import join_row_groups
from services.merger.page_format import expected_footer
from services.merger.plan import PlannedShard
from services.merger.rows import PlannedRow

_FULL = DISK_FULL | {errno.EFBIG}


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


def write_shard(shard: PlannedShard, chunks: ChunkStore, path: Path) -> WrittenShard:
    """Write a planned shard to `path`, a temporary name; nothing is left there if it cannot be finished.

    Raises `DamagedChunkError` where a chunk is missing, changed or of another format, `StoreError` where
    the file cannot be written.
    """
    with ThreadPoolExecutor(chunks.connections, thread_name_prefix="chunk") as threads:
        sources = _source_row_groups(shard.rows, chunks, threads)
        try:
            with path.open("wb") as file:
                target = _DigestingFile(file)
                _write(shard, sources, chunks, target, threads)
        except OSError as error:
            _remove(path)
            raise StoreError(_cannot_write(shard, path, error)) from error
        except BaseException:
            _remove(path)
            raise
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


def _remove(path: Path) -> None:
    """Remove what was begun; the error that stopped it is the one to tell."""
    with suppress(OSError):
        path.unlink()


def _cannot_write(shard: PlannedShard, path: Path, error: OSError) -> str:
    if error.errno in _FULL:
        size = sum(row.compressed_bytes for row in shard.rows)
        return (
            f"The disk or quota that holds {path.parent} is full: {shard.name} needs about {size:,} bytes. "
            "Make room, or build in another place; the build goes on from here."
        )
    return (
        f"{shard.name} cannot be written to {path}: {error.strerror}; see that its folder can be written, "
        "then retry."
    )
