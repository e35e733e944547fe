"""Bits per token and speed of the encodings that a row could have.

Run: `python -m benchmarks.encodings`.
"""

import io
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.spike_hours import PUBLISHED_HZ, SPARSE_HZ, count_rows, make_hour
from benchmarks.tables import print_table
from spikemill.services.common.parquet_schema import SCHEMA, one_row
from spikemill.services.common.row_format import WRITER_OPTIONS

ROWS = 4
DICTIONARY = {"use_dictionary": True, "use_byte_stream_split": False}
PLAIN = {"use_byte_stream_split": False}
ENCODINGS: dict[str, Mapping[str, Any]] = {
    "dictionary, snappy (the original's)": {**DICTIONARY, "compression": "snappy", "compression_level": None},
    "dictionary, zstd-3": {**DICTIONARY, "compression_level": 3},
    "plain, zstd-3": {**PLAIN, "compression_level": 3},
    **{f"byte stream split, zstd-{level}": {"compression_level": level} for level in (3, 6, 7, 8, 9)},
}


def entropy(counts: Sequence[np.ndarray]) -> float:
    """Return the order-0 entropy, bits per token."""
    histogram = np.sum([np.bincount(row.reshape(-1), minlength=256) for row in counts], axis=0)
    shares = histogram[histogram > 0] / histogram.sum()
    return float(-(shares * np.log2(shares)).sum())


def measure(batches: Sequence[pa.RecordBatch], n_tokens: int, options: Mapping[str, Any]) -> list[str]:
    """Return bits per token, and millions of tokens per cpu-second to encode and to decode."""
    file = io.BytesIO()
    start = time.process_time()
    with pq.ParquetWriter(file, SCHEMA, **{**WRITER_OPTIONS, **options}) as writer:
        for batch in batches:
            writer.write_batch(batch)
    encoded = time.process_time()
    pq.read_table(pa.BufferReader(file.getvalue()), use_threads=False)
    decoded = time.process_time()
    return [
        f"{8 * file.tell() / n_tokens:.3f}",
        f"{n_tokens / (encoded - start) / 1e6:.0f}",
        f"{n_tokens / (decoded - encoded) / 1e6:.0f}",
    ]


def main() -> None:
    """Print one table for each density of spikes."""
    for mean_hz in (PUBLISHED_HZ, SPARSE_HZ):
        counts = list(count_rows(make_hour(mean_hz)))[:ROWS]
        batches = [
            one_row(row, "sub-01", "sub-01_ses-01", f"segment_{i}", "made-up") for i, row in enumerate(counts)
        ]
        n_tokens = sum(row.size for row in counts)
        rows = [[name, *measure(batches, n_tokens, options)] for name, options in ENCODINGS.items()]
        print_table(
            f"{ROWS} rows of 600 units at {mean_hz} Hz, order-0 entropy {entropy(counts):.3f} bits per token "
            f"(in use: zstd-{WRITER_OPTIONS['compression_level']})",
            ["encoding", "bits/token", "encode M/cpu-s", "decode M/cpu-s"],
            rows,
        )


if __name__ == "__main__":
    main()
