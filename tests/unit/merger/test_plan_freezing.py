"""What a release freezes, and what makes it another one."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikemill.services.common.ledger.build_queries import LeftOut
from spikemill.services.common.ledger.releases import FrozenRelease
from spikemill.services.common.types import PlannedRow
from spikemill.services.merger.plan import freeze_rows, missing_records

PARAMETERS: dict[str, Any] = {"seed": 3, "split_by": "session", "test_fraction": 0.2, "texts": "x"}
TEXTS: dict[str, Any] = {"notes": "", "sources": []}
MISSING = LeftOut("a", "a/1/day3", "sub-1/day3.nwb", None, "It is empty.")


def stored(number: int) -> PlannedRow:
    """Return a row as the ledger holds it."""
    return PlannedRow(
        row_id=number,
        source="a",
        subject=f"sub-{number % 3}",
        session=f"day{number // 2}",
        segment=f"segment_{number % 2}",
        tokens=100 + number,
        compressed_bytes=10,
        row_group=number % 2,
        chunk=f"chunks/a/{number // 2}.parquet",
        chunk_sha256=f"{number // 2:064x}",
    )


ROWS = [stored(number) for number in range(12)]


def frozen(rows: list[PlannedRow] | None = None, **changes: Any) -> FrozenRelease:
    """Freeze the rows, but for what is changed."""
    asked: dict[str, Any] = {"build_digest": "b", "parameters": PARAMETERS, "missing": [], "texts": TEXTS}
    return freeze_rows(rows=ROWS if rows is None else rows, **(asked | changes))


@given(st.permutations(ROWS))
def test_the_order_in_which_the_ledger_gives_rows_does_not_matter(rows: list[PlannedRow]) -> None:
    assert frozen(rows) == frozen()


def test_every_row_is_frozen_once_with_its_chunk() -> None:
    rows = [row for shard in frozen().shards for row in shard.rows]
    assert sorted((row.row_id, row.chunk, row.chunk_sha256) for row in rows) == [
        (row.row_id, row.chunk, row.chunk_sha256) for row in ROWS
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"build_digest": "c"},
        {"parameters": PARAMETERS | {"seed": 4}},
        {"parameters": PARAMETERS | {"shard_bytes": 1000}},
        {"missing": [MISSING]},
        {"texts": TEXTS | {"notes": "Made up."}},
        {"rows": ROWS[:-1]},
        {"rows": [*ROWS[:-1], replace(ROWS[-1], chunk_sha256="f" * 64)]},
    ],
)
def test_whatever_is_in_the_pile_is_in_the_digest(change: dict[str, Any]) -> None:
    assert frozen(**change).digest != frozen().digest


def test_where_a_row_lies_is_not_in_the_digest() -> None:
    moved = [replace(row, row_id=row.row_id + 100, chunk=f"elsewhere/{row.chunk}") for row in ROWS]
    assert frozen(moved).digest == frozen().digest


def test_a_missing_session_is_told_in_words_that_hold_everywhere() -> None:
    skipped = replace(MISSING, skipped_because="the probe came loose")
    reasons = [record["reason"] for record in missing_records([MISSING, skipped])]
    assert reasons == ["it could not be built", "skipped: the probe came loose"]
