"""Chunks of generated counts for the benchmarks of the merger, written by the binner's own writer."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spikemill.services.binner.chunks import UNKNOWN_SUBJECT, Segment, cut_segments, write_chunk
from spikemill.services.common.types import PlannedRow, SessionNames

Counts = NDArray[np.uint8]


def generated_session(
    store: Path, name: SessionNames, n_units: int, n_bins: int, counts: Callable[[Segment], Counts]
) -> list[PlannedRow]:
    """Write the chunk of one session of n_units x n_bins tokens; return its rows as the ledger has them."""
    chunk = f"{name.source}-{name.session_id}.parquet"
    segments = list(cut_segments(n_units, n_bins))
    facts = write_chunk(store / chunk, name, ((segment, counts(segment)) for segment in segments))
    return [
        PlannedRow(
            source=name.source,
            subject=name.subject_id or UNKNOWN_SUBJECT,
            session=name.session_id,
            segment=segment.segment_id,
            tokens=row.tokens,
            compressed_bytes=row.compressed_bytes,
            chunk=chunk,
            row_group=row.index,
            chunk_sha256=facts.sha256,
        )
        for segment, row in zip(segments, facts.rows, strict=True)
    ]
