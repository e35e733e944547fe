"""How quickly rows of a pile become matrices, by what a card advises and by what it warns of.

Run: `python -m benchmarks.reading [PILE] [--rows 80] [--source NAME]`; without a pile, one of 80 rows is made
for it.

Each way ends with the units x bins of a row in memory, added up so that every cell was looked at. Told is
the processor's time, of all threads together, while files lie in the system's cache.
"""

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import datasets
import duckdb
import numpy as np
import polars as pl
import pyarrow.parquet as pq
import typer

from benchmarks.generated_chunks import Counts, generated_session
from benchmarks.generated_piles import merge
from benchmarks.matrices import ROUNDS, cpu_seconds, from_tables, matrix
from benchmarks.merging import N_UNITS, ROWS_PER_SESSION, spikes
from benchmarks.one_source import compare_filters
from benchmarks.tables import print_table
from spikemill.services.common.catalog.tables import MergeParameters
from spikemill.services.common.row_format import TOKENS_PER_ROW
from spikemill.services.common.types import PlannedRow, SessionNames

N_SOURCES = 16


def make_pile(work: Path) -> Path:
    """Make a pile of 16 sources of five full rows each."""
    chunks = work / "chunks"
    chunks.mkdir()
    rows: list[PlannedRow] = []
    for number in range(N_SOURCES):
        name = SessionNames(f"source-{number:02}", "sub-1", "ses-1")
        rows += generated_session(chunks, name, N_UNITS, ROWS_PER_SESSION * TOKENS_PER_ROW // N_UNITS, spikes)
    merge(chunks, rows, work / "pile", MergeParameters(test_fraction=0))
    return work / "pile"


def from_rows(rows: Iterable[Mapping[str, Any]], **options: Any) -> Iterator[Counts]:
    """Yield the matrices of rows in any other format."""
    return (np.asarray(row["spike_counts"], **options) for row in rows)


def from_row_groups(files: list[Path]) -> Iterator[Counts]:
    """Yield the matrices of all rows with nothing but pyarrow."""
    for file in files:
        with pq.ParquetFile(file) as shard:
            for group in range(shard.num_row_groups):
                column = shard.read_row_group(group)["spike_counts"]
                yield from (matrix(cells.values) for cells in column)


def from_polars(files: list[Path], limit: int) -> Iterator[Counts]:
    """Yield the matrices of the first rows with polars."""
    for row in pl.scan_parquet(files).head(limit).collect()["spike_counts"]:
        yield row.explode().to_numpy().reshape(len(row), -1)


def from_duckdb(files: list[Path], limit: int) -> Iterator[Counts]:
    """Yield the matrices of the first rows with duckdb."""
    with duckdb.connect() as connection:
        rows = connection.read_parquet([str(file) for file in files]).limit(limit)
        yield from (matrix(cells.values) for cells in rows.to_arrow_table()["spike_counts"])


def first_rows(way: Callable[[], Iterable[Counts]], limit: int) -> Iterable[Counts]:
    """Return the matrices of the first rows only."""
    return islice(way(), limit)


def compare_formats(loaded: Any, streamed: Any, files: list[Path], rows: int) -> None:
    """Print how long a row takes each way."""
    tokens = sum(counts.size for counts in from_tables(loaded.take(rows).with_format("arrow"))) / rows
    ways: dict[str, Callable[[], Iterable[Counts]]] = {
        "map-style, no format": lambda: from_rows(loaded, dtype=np.uint8),
        'map-style, "numpy"': lambda: from_rows(loaded.with_format("numpy")),
        'map-style, "numpy", dtype="uint8"': lambda: from_rows(loaded.with_format("numpy", dtype="uint8")),
        'map-style, "arrow"': lambda: from_tables(loaded.with_format("arrow")),
        "streaming, no format": lambda: from_rows(streamed, dtype=np.uint8),
        'streaming, "numpy"': lambda: from_rows(streamed.with_format("numpy")),
        'streaming, "arrow"': lambda: from_tables(streamed.with_format("arrow")),
        "pyarrow, row group by row group": partial(from_row_groups, files),
        "polars": partial(from_polars, files, rows),
        "duckdb": partial(from_duckdb, files, rows),
    }
    table = []
    for name, way in ways.items():
        took = cpu_seconds(partial(first_rows, way, rows)) / rows
        table.append([name, f"{took * 1000:,.1f}", f"{tokens / took / 1e6:,.0f}"])
    print_table(
        f"A row to a matrix: {rows} rows of {tokens / 1e6:.0f} M tokens (best of {ROUNDS})",
        ["way", "cpu ms", "M tokens/cpu-s"],
        table,
    )


def measure(pile: Path, sources: Sequence[str], rows: int, cache: Path) -> None:
    """Load a pile, and print both tables."""
    files = sorted((pile / "data").glob("train-*"))
    start = time.perf_counter()
    loaded = datasets.load_dataset(str(pile), split="train", cache_dir=str(cache))
    print(f"load_dataset, once: {loaded.num_rows} rows in {time.perf_counter() - start:.1f} s")
    streamed = datasets.load_dataset(str(pile), split="train", streaming=True)
    compare_formats(loaded, streamed, files, min(rows, loaded.num_rows))
    names = sorted(set(loaded["source_dataset"]))
    compare_filters(pile, loaded, files, sources or [names[0], names[len(names) // 2]])


def main(
    pile: Annotated[Path | None, typer.Argument(help="The folder of a pile.")] = None,
    rows: Annotated[int, typer.Option(help="How many rows to read each way.")] = 80,
    source: Annotated[list[str] | None, typer.Option(help="A source to read alone.")] = None,
) -> None:
    """Measure; without a source, the first one by alphabet and the one in its middle are read alone."""
    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        measure(pile or make_pile(work), source or [], rows, work / "cache")


if __name__ == "__main__":
    typer.run(main)
