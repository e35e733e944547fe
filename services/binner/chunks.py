"""A session cut into rows, and its Parquet file: each row a row group of its own."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from spikemill.services.common.files import sha256_of, whole_or_none, writing
from spikemill.services.common.parquet_schema import SCHEMA, one_row
from spikemill.services.common.row_format import TOKENS_PER_ROW, WRITER_OPTIONS
from spikemill.services.common.types import SessionNames, SessionRow

UNKNOWN_SUBJECT = "unknown"


@dataclass(frozen=True, slots=True)
class WrittenChunk:
    """A chunk as it stands on disk."""

    rows: tuple[SessionRow, ...]
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Segment:
    """The bins [first_bin, stop_bin) of a session, which become one row."""

    index: int
    first_bin: int
    stop_bin: int

    @property
    def segment_id(self) -> str:
        """The segment's name in the dataset."""
        return f"segment_{self.index}"

    @property
    def n_bins(self) -> int:
        """The number of bins."""
        return self.stop_bin - self.first_bin


def cut_segments(n_units: int, n_bins: int, limit: int = TOKENS_PER_ROW) -> Iterator[Segment]:
    """Cut a session of n_units x n_bins tokens into segments of equal length, the last one shorter.

    Both divisions round up, as in the published dataset: a row can exceed the limit by a few tokens, and the
    session may need one row fewer than planned.
    """
    n_rows = -(-n_units * n_bins // limit)
    length = -(-n_bins // n_rows)
    for index, first_bin in enumerate(range(0, n_bins, length)):
        yield Segment(index, first_bin, min(first_bin + length, n_bins))


def write_chunk(
    path: Path, names: SessionNames, rows: Iterable[tuple[Segment, NDArray[np.uint8]]]
) -> WrittenChunk:
    """Write the rows, each a segment and its counts (uint8, units x bins), as they come.

    Equal input makes equal bytes. Raises `StoreError` where the file cannot be written; then, as after any
    other error, no file is left.
    """
    written: list[tuple[Segment, int]] = []
    subject = names.subject_id or UNKNOWN_SUBJECT
    with whole_or_none(path), writing(path):
        with pq.ParquetWriter(path, SCHEMA, memory_pool=_memory_pool(), **WRITER_OPTIONS) as writer:
            for segment, counts in rows:
                texts = (subject, names.session_id, segment.segment_id, names.source)
                writer.write_batch(one_row(counts, *texts))
                written.append((segment, counts.size))
        return _read_back(path, written)


def _memory_pool() -> pa.MemoryPool:
    """Return jemalloc's pool where Arrow has it: mimalloc's grows from row to row (benchmarks/memory.py)."""
    has_jemalloc = "jemalloc" in pa.supported_memory_backends()
    return pa.jemalloc_memory_pool() if has_jemalloc else pa.default_memory_pool()


def _read_back(path: Path, written: list[tuple[Segment, int]]) -> WrittenChunk:
    metadata = pq.read_metadata(path)
    rows = []
    for group, (segment, tokens) in enumerate(written):
        columns = map(metadata.row_group(group).column, range(metadata.num_columns))
        compressed = sum(column.total_compressed_size for column in columns)
        rows.append(SessionRow(segment.index, segment.first_bin, segment.n_bins, tokens, compressed))
    return WrittenChunk(tuple(rows), path.stat().st_size, sha256_of(path))
