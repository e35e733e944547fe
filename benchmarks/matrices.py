"""Rows of a pile as matrices, and what it takes to have them."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.generated_chunks import Counts

ROUNDS = 2


def matrix(units: Any) -> Counts:
    """Return the cells of one row, a list of lists in Arrow's memory, without a copy."""
    cells: Counts = units.flatten().to_numpy().reshape(len(units), -1)
    return cells


def from_tables(rows: Iterable[pa.Table]) -> Iterator[Counts]:
    """Yield the matrices of rows in the format "arrow"."""
    return (matrix(row["spike_counts"][0].values) for row in rows)


def cpu_seconds(way: Callable[[], Iterable[Counts]]) -> float:
    """Return the processor's time for all matrices of a way, every cell added up; the best of some times."""
    return min(_cpu_seconds(way) for _ in range(ROUNDS))


def _cpu_seconds(way: Callable[[], Iterable[Counts]]) -> float:
    start = time.process_time()
    for counts in way():
        counts.sum(dtype=np.uint64)
    return time.process_time() - start
