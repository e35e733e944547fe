"""Merging by copying column pages, beside load, shuffle and write with `datasets`.

Run: `python -m benchmarks.merging [--tokens 300000000]`.

Both ways start from the same chunks and end with shuffled shards on the same disk. A first, small `datasets`
run is not timed, so that imports and start-up are in neither figure.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import datasets
import numpy as np
import typer

from benchmarks.generated_chunks import Counts, generated_session
from benchmarks.tables import print_table
from spikemill.services.binner.chunks import Segment
from spikemill.services.common.catalog.tables import MergeParameters
from spikemill.services.common.store import FolderStore
from spikemill.services.common.types import PlannedRow, PlannedShard, SessionNames
from spikemill.services.merger.assembly import audit_shard
from spikemill.services.merger.plan import plan_pile
from spikemill.services.merger.provenance import ShardRecord
from spikemill.services.merger.shards import ChunkStore, write_shard

N_UNITS = 600
ROWS_PER_SESSION = 5

Made = TypeVar("Made")


def spikes(segment: Segment) -> Counts:
    """Return counts of units whose rates differ as recorded ones do (mean 0.1 spikes per bin)."""
    generator = np.random.default_rng(segment.first_bin)
    rates = generator.lognormal(-3.5, 1.5, N_UNITS).clip(0, 2)
    return generator.poisson(rates[:, None], (N_UNITS, segment.n_bins)).astype(np.uint8)


def make_chunks(store: Path, tokens: int) -> list[PlannedRow]:
    """Write sessions of five full rows each, from three sources, until the tokens are there."""
    store.mkdir()
    n_bins = ROWS_PER_SESSION * 10_000_000 // N_UNITS
    rows: list[PlannedRow] = []
    while sum(row.tokens for row in rows) < tokens:
        number = len(rows) // ROWS_PER_SESSION
        name = SessionNames(f"source-{number % 3}", "sub-1", f"ses-{number}")
        rows += generated_session(store, name, N_UNITS, n_bins, spikes)
    return rows


def copy_pages(store: Path, rows: Sequence[PlannedRow], pile: Path) -> list[tuple[PlannedShard, ShardRecord]]:
    """Plan and write all shards; every chunk's sha256 is checked on the way."""
    chunks = ChunkStore(FolderStore(store))
    (pile / "data").mkdir(parents=True)
    plan = plan_pile(rows, MergeParameters(test_fraction=0.1))
    return [(shard, write_shard(shard, chunks, pile / shard.name)) for shard in plan.shards]


def load_shuffle_write(chunks: Sequence[Path], work: Path) -> None:
    """Merge as the original does: everything through the Arrow cache, then written anew."""
    files = [str(path) for path in chunks]
    loaded = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(work / "cache"))
    for name, split in loaded.train_test_split(test_size=0.1, shuffle=True, seed=0).items():
        split.to_parquet(work / f"{name}.parquet")


def audit(written: Sequence[tuple[PlannedShard, ShardRecord]], pile: Path) -> None:
    """Read every shard again, as the build does before it counts."""
    for shard, facts in written:
        units = {row.session_key: N_UNITS for row in shard.rows}
        audit_shard(shard, pile / shard.name, facts.sha256, units)


def measure(tokens: int, work: Path) -> None:
    """Make the chunks, merge them both ways, and print what it took."""
    rows = make_chunks(work / "chunks", tokens)
    tokens = sum(row.tokens for row in rows)
    size = sum(row.compressed_bytes for row in rows)
    paths = sorted((work / "chunks").iterdir())
    written, copying = timed(lambda: copy_pages(work / "chunks", rows, work / "pile"))
    _, auditing = timed(lambda: audit(written, work / "pile"))
    load_shuffle_write(paths[:1], work / "warm-up")
    _, loading = timed(lambda: load_shuffle_write(paths, work / "datasets"))
    ways = {
        "copy pages (plan, check, write)": copying,
        "read again and compare (audit)": auditing,
        "datasets: load, shuffle, write": loading,
    }
    print_table(
        f"Merging {len(rows)} rows, {tokens:,} tokens, {8 * size / tokens:.2f} bits per token",
        ["way", "seconds", "M tokens/s", "of ours"],
        [
            [way, f"{seconds:.2f}", f"{tokens / seconds / 1e6:,.0f}", f"{seconds / copying:.1f}x"]
            for way, seconds in ways.items()
        ],
    )


def timed(way: Callable[[], Made]) -> tuple[Made, float]:
    """Return what was made, and the seconds that it took."""
    start = time.perf_counter()
    made = way()
    return made, time.perf_counter() - start


def main(tokens: int = 300_000_000) -> None:
    """Measure in a folder that is removed afterwards."""
    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as folder:
        measure(tokens, Path(folder))


if __name__ == "__main__":
    typer.run(main)
