"""How rows are written: their size, the options of every Parquet file, and the format id of both."""

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any

from spikemill.services.common.types import PlannedRow, RowGroup, digest

SCHEMA_VERSION = 2
TOKENS_PER_ROW = 10_000_000
ROWS_PER_GROUP = 5
# Pages of several rows are joined by copying bytes, so no column may have a dictionary.
WRITER_OPTIONS: dict[str, Any] = {
    "version": "2.6",
    "data_page_version": "1.0",
    "use_dictionary": False,
    "use_byte_stream_split": ["spike_counts.list.element.list.element"],
    "compression": "zstd",
    # The lowest level at 0.56 bits per token on a 600-unit hour (benchmarks/encodings.py).
    "compression_level": 8,
    "write_statistics": True,
    "write_page_index": False,
    "write_page_checksum": True,
    "store_schema": True,
    "data_page_size": 1024 * 1024,
}
FORMAT_ID = digest([SCHEMA_VERSION, WRITER_OPTIONS, version("pyarrow")])[:16]


def row_groups(rows: Sequence[PlannedRow]) -> Iterator[RowGroup]:
    """Yield the rows in groups of five; the last may be smaller."""
    for start in range(0, len(rows), ROWS_PER_GROUP):
        yield tuple(rows[start : start + ROWS_PER_GROUP])
