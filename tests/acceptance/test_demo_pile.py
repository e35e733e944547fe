"""The tools that people use read the demo's pile: features, rows, and every spike that was counted."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import datasets
import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pytest

from spikemill.services.cli.local.home import Home
from spikemill.services.merger.provenance import parse_provenance
from tests.samples.pile_features import FEATURES

Session = tuple[str, str, str]
Totals = dict[Session, tuple[int, int, int]]

NAMES = ["source_dataset", "subject_id", "session_id"]


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


@pytest.fixture
def pile(demo_home: Home) -> Path:
    """Give the demo's pile."""
    return demo_home.pile.resolve()


@pytest.fixture
def expected(pile: Path) -> Totals:
    """Give rows, tokens and spikes of each session, by the pile's provenance."""
    sessions = parse_provenance((pile / "provenance.jsonl").read_bytes()).sessions
    assert {session.clipped for session in sessions} == {0}
    return {
        (session.source, session.subject, session.session): (session.rows, session.tokens, session.spikes)
        for session in sessions
    }


def _totals(tables: Iterable[pa.Table]) -> Totals:
    """Return rows, tokens and spikes of each session, one row of the tables after the other."""
    sums: defaultdict[Session, list[int]] = defaultdict(lambda: [0, 0, 0])
    for table in tables:
        for index in range(table.num_rows):
            row = table.slice(index, 1)
            counts = pc.list_flatten(pc.list_flatten(row["spike_counts"]))
            source, subject, session = (row[name][0].as_py() for name in NAMES)
            total = sums[source, subject, session]
            for place, number in enumerate((1, len(counts), pc.sum(counts).as_py())):
                total[place] += number
    return {session: (rows, tokens, spikes) for session, (rows, tokens, spikes) in sums.items()}


def test_the_demo_has_three_sources_and_two_splits(pile: Path, expected: Totals) -> None:
    assert {source for source, _, _ in expected} == {"demo-visual", "demo-probes", "demo-deposit"}
    assert {path.name.partition("-")[0] for path in (pile / "data").iterdir()} == {"train", "test"}


def test_datasets_map_style(pile: Path, expected: Totals, tmp_path: Path) -> None:
    loaded = datasets.load_dataset(str(pile), cache_dir=str(tmp_path))
    _check_features(loaded)
    splits = [loaded[name].with_format("arrow") for name in ("train", "test")]
    assert _totals(table for split in splits for table in split.iter(batch_size=2)) == expected


def test_datasets_streaming(pile: Path, expected: Totals, tmp_path: Path) -> None:
    loaded = datasets.load_dataset(str(pile), streaming=True, cache_dir=str(tmp_path))
    _check_features(loaded)
    splits = [loaded[name].with_format("arrow") for name in ("train", "test")]
    assert _totals(table for split in splits for table in split.iter(batch_size=2)) == expected


def _check_features(loaded: Mapping[str, datasets.Dataset | datasets.IterableDataset]) -> None:
    assert set(loaded) == {"train", "test"}
    assert all(split.features == FEATURES for split in loaded.values())


def test_pyarrow(pile: Path, expected: Totals) -> None:
    batches = ds.dataset(pile / "data").to_batches(batch_size=1)
    assert _totals(pa.Table.from_batches([batch]) for batch in batches) == expected


def test_duckdb(pile: Path, expected: Totals) -> None:
    query = f"""
        SELECT source_dataset, subject_id, session_id, count(*),
            sum(len(flatten(spike_counts))), sum(list_sum(flatten(spike_counts)))
        FROM '{pile}/data/*.parquet' GROUP BY ALL
    """  # noqa: S608 - a path of ours
    with duckdb.connect() as connection:
        found = connection.sql(query).fetchall()
    assert {row[:3]: tuple(map(int, row[3:])) for row in found} == expected


def test_polars(pile: Path, expected: Totals) -> None:
    frame = pl.read_parquet(pile / "data" / "*.parquet")
    assert frame.schema["spike_counts"] == pl.List(pl.List(pl.UInt8))
    counts = pl.col("spike_counts").explode().explode()
    found = frame.group_by(NAMES).agg(pl.len(), counts.len().alias("tokens"), counts.sum().alias("spikes"))
    assert {row[:3]: row[3:] for row in found.iter_rows()} == expected
