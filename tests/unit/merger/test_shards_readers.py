"""The tools that people use read a pile: rows and features as they were merged."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import datasets
import duckdb
import polars as pl
import pyarrow.dataset as ds
import pytest

from tests.samples.pile_features import FEATURES
from tests.unit.merger.generated_piles import GeneratedSession


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


def as_written(sessions: list[GeneratedSession]) -> dict[tuple[str, ...], list[list[int]]]:
    """Return every row's matrix by its names, in the order of the columns."""
    return {
        (session.key.subject, session.key.session, f"segment_{index}", session.key.source): counts.tolist()
        for session in sessions
        for index, counts in enumerate(session.matrices)
    }


def by_name(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[str, ...], list[list[int]]]:
    names = ("subject_id", "session_id", "segment_id", "source_dataset")
    return {tuple(row[name] for name in names): row["spike_counts"] for row in rows}


def test_datasets_map_style(pile: Path, sessions: list[GeneratedSession], tmp_path: Path) -> None:
    loaded = datasets.load_dataset(str(pile), cache_dir=str(tmp_path / "cache"))
    assert {name: split.num_rows for name, split in loaded.items()} == {"train": 6, "test": 27}
    assert all(split.features == FEATURES for split in loaded.values())
    assert by_name([*loaded["train"], *loaded["test"]]) == as_written(sessions)


def test_datasets_streaming(pile: Path, sessions: list[GeneratedSession], tmp_path: Path) -> None:
    loaded = datasets.load_dataset(str(pile), streaming=True, cache_dir=str(tmp_path / "cache"))
    assert all(split.features == FEATURES for split in loaded.values())
    assert by_name([*loaded["train"], *loaded["test"]]) == as_written(sessions)


def test_datasets_without_the_card(pile: Path, tmp_path: Path) -> None:
    (pile / "README.md").unlink()
    loaded = datasets.load_dataset(str(pile), cache_dir=str(tmp_path / "cache"))
    assert {name: split.num_rows for name, split in loaded.items()} == {"train": 6, "test": 27}
    assert loaded["train"].features == FEATURES


def test_pyarrow(pile: Path, sessions: list[GeneratedSession]) -> None:
    table = ds.dataset(pile / "data").to_table()
    assert by_name(table.to_pylist()) == as_written(sessions)


def test_duckdb(pile: Path, sessions: list[GeneratedSession]) -> None:
    with duckdb.connect() as connection:
        relation = connection.sql(f"SELECT * FROM '{pile}/data/*.parquet'")  # noqa: S608 - a path of ours
        rows = [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]
        types = [str(kind) for kind in relation.types]
    assert types == ["UTINYINT[][]", *["VARCHAR"] * 4]
    assert by_name(rows) == as_written(sessions)


def test_polars(pile: Path, sessions: list[GeneratedSession]) -> None:
    frame = pl.read_parquet(pile / "data" / "*.parquet")
    assert frame.schema["spike_counts"] == pl.List(pl.List(pl.UInt8))
    assert by_name(frame.to_dicts()) == as_written(sessions)
    only = pl.scan_parquet(pile / "data" / "*.parquet").filter(pl.col("source_dataset") == "shield").collect()
    assert only.height == 15
