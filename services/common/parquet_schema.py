"""The Parquet schema of chunks and shards, their writer options, and the format id that sums both up."""

import json
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

# What `datasets` finds in every file. It calls lists `List` today; its older releases know only `Sequence`.
FEATURES: dict[str, Any] = {
    "spike_counts": {
        "feature": {"feature": {"dtype": "uint8", "_type": "Value"}, "_type": "Sequence"},
        "_type": "Sequence",
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
    metadata={"huggingface": json.dumps({"info": {"features": FEATURES}})},
)


def one_row(
    counts: NDArray[np.uint8], subject: str, session: str, segment: str, source: str
) -> pa.RecordBatch:
    """Make one row of a C-ordered matrix (uint8, units x bins), without copying it."""
    # From buffers alone: `pa.array` and `pa.scalar` load pandas wherever it is installed.
    texts = (_text(text) for text in (subject, session, segment, source))
    return pa.RecordBatch.from_arrays([_nested(counts), *texts], schema=SCHEMA)


def _nested(counts: NDArray[np.uint8]) -> pa.ListArray:
    """Wrap a matrix as one list (units) of lists (bins): its buffer and two arrays of offsets."""
    n_units, n_bins = counts.shape
    values = pa.Array.from_buffers(pa.uint8(), counts.size, [None, pa.py_buffer(counts)])
    unit_offsets = np.arange(n_units + 1, dtype=np.int32) * np.int32(n_bins)
    units = pa.Array.from_buffers(
        _COUNTS.value_type, n_units, [None, pa.py_buffer(unit_offsets)], children=[values]
    )
    row_offsets = np.array([0, n_units], dtype=np.int32)
    return pa.Array.from_buffers(_COUNTS, 1, [None, pa.py_buffer(row_offsets)], children=[units])


def _text(text: str) -> pa.StringArray:
    """Wrap one text."""
    encoded = text.encode()
    offsets = np.array([0, len(encoded)], dtype=np.int32)
    return pa.StringArray.from_buffers(1, pa.py_buffer(offsets), pa.py_buffer(encoded))
