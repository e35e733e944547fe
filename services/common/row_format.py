"""How rows are written: their size, the options of every Parquet file, and the format id of both."""

from importlib.metadata import version
from typing import Any

from spikemill.services.common.types import digest

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
