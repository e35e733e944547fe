"""All rows of one source of a pile, by the ways that the card names and by those of other programs."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import duckdb
import polars as pl
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from benchmarks.generated_chunks import Counts
from benchmarks.matrices import cpu_seconds, from_tables, matrix
from benchmarks.tables import print_table


def by_names(files: list[Path], source: str) -> Iterator[Counts]:
    """Yield the matrices of one source as the card does: names first, then row groups that hold it."""
    wanted = ds.field("source_dataset") == source
    for shard in ds.dataset(files).get_fragments():
        for group in shard.split_by_row_group(wanted):
            if group.count_rows(filter=wanted):
                rows = group.to_table()
                for number, name in enumerate(rows["source_dataset"].to_pylist()):
                    if name == source:
                        yield matrix(rows["spike_counts"][number].values)


def by_choice(files: list[Path], source: str) -> Iterator[Counts]:
    """Yield the matrices of one source, and decode all the others too."""
    for file in files:
        for batch in pq.ParquetFile(file).iter_batches(batch_size=1):
            if batch["source_dataset"][0].as_py() == source:
                yield matrix(batch["spike_counts"][0].values)


def by_statistics(files: list[Path], source: str) -> Iterator[Counts]:
    """Yield the matrices of one source with pyarrow's filter."""
    table = pq.read_table(files, filters=[("source_dataset", "=", source)])
    return (matrix(cells.values) for cells in table["spike_counts"])


def by_streaming(pile: Path, source: str) -> Iterator[Counts]:
    """Yield the matrices of one source with the filter of `datasets`."""
    filters = [("source_dataset", "=", source)]
    rows = datasets.load_dataset(str(pile), split="train", streaming=True, filters=filters)
    return from_tables(rows.with_format("arrow"))


def by_index(loaded: Any, source: str) -> Iterator[Counts]:
    """Yield the matrices of one source of a pile that is loaded."""
    chosen = loaded.filter(
        lambda name: name == source, input_columns="source_dataset", load_from_cache_file=False
    )
    return from_tables(chosen.with_format("arrow"))


def by_duckdb(files: list[Path], source: str) -> Iterator[Counts]:
    """Yield the matrices of one source with duckdb."""
    with duckdb.connect() as connection:
        rows = connection.read_parquet([str(file) for file in files])
        chosen = rows.filter(duckdb.ColumnExpression("source_dataset") == duckdb.ConstantExpression(source))
        yield from (matrix(cells.values) for cells in chosen.to_arrow_table()["spike_counts"])


def by_polars(files: list[Path], source: str) -> Iterator[Counts]:
    """Yield the matrices of one source with polars."""
    chosen = pl.scan_parquet(files).filter(pl.col("source_dataset") == source).collect()
    for row in chosen["spike_counts"]:
        yield row.explode().to_numpy().reshape(len(row), -1)


def row_groups(files: list[Path], source: str) -> tuple[int, int, int]:
    """Return the number of row groups, of those that statistics leave, and of those that hold the source."""
    wanted = ds.field("source_dataset") == source
    shards = list(ds.dataset(files).get_fragments())
    left = [group for shard in shards for group in shard.split_by_row_group(wanted)]
    held = [group for group in left if group.count_rows(filter=wanted)]
    return sum(shard.num_row_groups for shard in shards), len(left), len(held)


def compare_filters(pile: Path, loaded: Any, files: list[Path], sources: Sequence[str]) -> None:
    """Print how long all rows of one source take each way."""
    ways: dict[str, Callable[[str], Iterable[Counts]]] = {
        "read all, choose": partial(by_choice, files),
        "pyarrow, filters": partial(by_statistics, files),
        "streaming, filters": partial(by_streaming, pile),
        "polars, filter": partial(by_polars, files),
        "duckdb, filter": partial(by_duckdb, files),
        "the card's: names, then row groups": partial(by_names, files),
        "map-style, filter": partial(by_index, loaded),
    }
    table = []
    for name, way in ways.items():
        took = [cpu_seconds(partial(way, source)) for source in sources]
        table.append([name, *(f"{one:.2f}" for one in took)])
    for source in sources:
        whole, left, held = row_groups(files, source)
        print(f"{source}: in {held} of {whole} row groups; statistics leave {left}")
    print_table("All rows of one source, cpu seconds", ["way", *sources], table)
