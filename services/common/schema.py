"""The Parquet schema and writer options of every chunk and shard, and the format id that sums them up."""

import json
from typing import Any

import pyarrow as pa

from services.common.identity import digest

SCHEMA_VERSION = 1
TOKENS_PER_ROW = 10_000_000
ROWS_PER_GROUP = 5

_FEATURES = {
    "spike_counts": {
        "feature": {"feature": {"dtype": "uint8", "_type": "Value"}, "_type": "List"},
        "_type": "List",
    },
    "subject_id": {"dtype": "string", "_type": "Value"},
    "session_id": {"dtype": "string", "_type": "Value"},
    "segment_id": {"dtype": "string", "_type": "Value"},
    "source_dataset": {"dtype": "string", "_type": "Value"},
}
_COUNTS = pa.list_(
    pa.field("element", pa.list_(pa.field("element", pa.uint8(), nullable=False)), nullable=False)
)
SCHEMA = pa.schema(
    [
        pa.field("spike_counts", _COUNTS, nullable=False),
        pa.field("subject_id", pa.string(), nullable=False),
        pa.field("session_id", pa.string(), nullable=False),
        pa.field("segment_id", pa.string(), nullable=False),
        pa.field("source_dataset", pa.string(), nullable=False),
    ],
    metadata={"huggingface": json.dumps({"info": {"features": _FEATURES}})},
)
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
FORMAT_ID = digest([SCHEMA_VERSION, WRITER_OPTIONS, pa.__version__])[:16]
