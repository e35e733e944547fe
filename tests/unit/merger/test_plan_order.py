"""The order of rows: by digest, whatever order they come in."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikemill.services.common.errors import CatalogueError
from spikemill.services.common.types import PlannedRow
from spikemill.services.merger.plan import in_order, list_digest
from tests.unit.merger.generated_rows import make_row, rows


@given(rows, st.integers(0, 9), st.randoms(use_true_random=False))
def test_order_does_not_depend_on_how_rows_come(
    planned: list[PlannedRow], seed: int, chance: random.Random
) -> None:
    shuffled = planned.copy()
    chance.shuffle(shuffled)
    ordered = in_order(shuffled, seed)
    keys = [row.sort_key(seed) for row in ordered]
    assert ordered == in_order(planned, seed)
    assert keys == sorted(keys)
    assert list_digest(shuffled) == list_digest(planned)


@given(rows, st.integers(0, 9))
def test_another_source_moves_no_row_past_another(planned: list[PlannedRow], seed: int) -> None:
    kept = [row for row in planned if row.source == "vcn"]
    assert [row for row in in_order(planned, seed) if row.source == "vcn"] == in_order(kept, seed)


def test_seed_decides_the_order() -> None:
    planned = [make_row("vcn", session, 0) for session in range(20)]
    assert in_order(planned, 0) != in_order(planned, 1)


def test_two_rows_of_one_name_are_refused() -> None:
    with pytest.raises(CatalogueError, match="holds segment_1 of session ses-7 of subject sub-3 twice"):
        in_order([make_row("vcn", 7, 1), make_row("vcn", 8, 1), make_row("vcn", 7, 1)], 0)


def test_list_digest_knows_the_chunk() -> None:
    planned = [make_row("vcn", 1, 0), make_row("vcn", 2, 0)]
    other = [planned[0], make_row("vcn", 2, 1)]
    assert list_digest(planned) != list_digest(other)
    assert list_digest(planned) != list_digest(planned[:1])
