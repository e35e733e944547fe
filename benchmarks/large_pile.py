"""A pile of more than 2^31 tokens, merged and loaded map-style with `datasets`.

Run: `python -m benchmarks.large_pile [--rows 220]`.

Arrow's list offsets have 32 bits: 215 full rows in one array overflow them. The rows here are silent but for
one marked cell each, so the chunks are small; the Arrow cache takes a byte per token for a while.
"""

import resource
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import datasets
import numpy as np
import typer

from benchmarks.generated_chunks import Counts, generated_session
from benchmarks.generated_piles import merge
from spikemill.services.binner.chunks import Segment
from spikemill.services.common.catalog.tables import MergeParameters
from spikemill.services.common.types import PlannedRow, SessionNames
from spikemill.services.merger.plan import in_order

N_UNITS = 1_000
ROWS_PER_SESSION = 44
BINS_PER_ROW = 10_000
PARAMETERS = MergeParameters(test_fraction=0)


def marked(segment: Segment) -> Counts:
    """Return a silent row whose cell (segment, segment) holds the segment's number and one."""
    counts = np.zeros((N_UNITS, segment.n_bins), dtype=np.uint8)
    counts[segment.index, segment.index] = segment.index + 1
    return counts


def make_chunks(store: Path, n_rows: int) -> list[PlannedRow]:
    """Write sessions of 44 full rows each."""
    store.mkdir()
    rows: list[PlannedRow] = []
    for number in range(-(-n_rows // ROWS_PER_SESSION)):
        name = SessionNames("silent", "sub-1", f"ses-{number}")
        rows += generated_session(store, name, N_UNITS, ROWS_PER_SESSION * BINS_PER_ROW, marked)
    return rows


def check(loaded: datasets.Dataset, rows: list[PlannedRow]) -> None:
    """Compare the first, middle and last rows with what was merged; raise `AssertionError`."""
    ordered = in_order(rows, PARAMETERS.seed)
    if loaded.num_rows != len(ordered):
        raise AssertionError(f"{loaded.num_rows} rows were loaded, {len(ordered)} merged")
    for position in (0, 1, len(ordered) // 2, len(ordered) - 2, len(ordered) - 1):
        row, planned = loaded[position], ordered[position]
        segment = planned.row_group
        expected = marked(Segment(segment, segment * BINS_PER_ROW, (segment + 1) * BINS_PER_ROW))
        if (row["session_id"], row["segment_id"]) != (planned.session, planned.segment):
            raise AssertionError(f"row {position} has other names than planned")
        if not np.array_equal(row["spike_counts"], expected):
            raise AssertionError(f"row {position} has other counts than merged")


def measure(n_rows: int, work: Path) -> None:
    """Make, merge, load and check, and print what each took."""
    clock = [time.perf_counter()]
    rows = make_chunks(work / "chunks", n_rows)
    clock.append(time.perf_counter())
    merge(work / "chunks", rows, work / "pile", PARAMETERS)
    clock.append(time.perf_counter())
    loaded = datasets.load_dataset(str(work / "pile"), split="train", cache_dir=str(work / "cache"))
    clock.append(time.perf_counter())
    check(loaded.with_format("numpy"), rows)
    clock.append(time.perf_counter())
    tokens = sum(row.tokens for row in rows)
    shards = sorted((work / "pile" / "data").iterdir())
    print(f"{len(rows)} rows, {tokens:,} tokens ({tokens / 2**31:.2f} x 2^31) in {len(shards)} shards")
    steps = ("make chunks", "merge", "load_dataset", "check rows")
    for step, (start, end) in zip(steps, pairwise(clock), strict=True):
        print(f"{step:14}{end - start:8.1f} s")
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB")


def main(rows: int = 220) -> None:
    """Measure in a folder that is removed afterwards."""
    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as folder:
        measure(rows, Path(folder))


if __name__ == "__main__":
    typer.run(main)
