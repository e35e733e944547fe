"""The plan of a pile: every row once, five to a row group, no shard above its limits."""

import random
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from spikemill.services.common.catalog.tables import MergeParameters
from spikemill.services.common.errors import CatalogueError
from spikemill.services.common.types import PlannedRow, PlannedShard
from spikemill.services.merger.plan import in_order, plan_pile
from tests.unit.merger.generated_rows import make_row

sized_rows = st.dictionaries(
    st.tuples(st.integers(0, 20), st.integers(0, 4)),
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    min_size=1,
).map(lambda sizes: [make_row("vcn", *name, *size) for name, size in sizes.items()])
limits = st.builds(
    MergeParameters,
    seed=st.integers(0, 3),
    test_fraction=st.sampled_from([0.0, 0.3]),
    shard_bytes=st.integers(1, 900),
    shard_tokens=st.integers(1, 900),
)


@given(sized_rows, limits, st.randoms(use_true_random=False))
def test_the_same_rows_give_the_same_plan(
    rows: list[PlannedRow], parameters: MergeParameters, chance: random.Random
) -> None:
    shuffled = rows.copy()
    chance.shuffle(shuffled)
    assert plan_pile(shuffled, parameters) == plan_pile(rows, parameters)


@given(sized_rows, limits)
def test_every_row_once_and_in_order(rows: list[PlannedRow], parameters: MergeParameters) -> None:
    plan = plan_pile(rows, parameters)
    placed = {split: rows_of(plan.shards, split) for split in ("train", "test")}
    assert sorted([*placed["train"], *placed["test"]], key=repr) == sorted(rows, key=repr)
    for members in placed.values():
        assert members == in_order(members, parameters.seed)


@given(sized_rows, limits)
def test_five_rows_to_a_group_but_for_the_last_of_a_split(
    rows: list[PlannedRow], parameters: MergeParameters
) -> None:
    for split in ("train", "test"):
        shards = [shard for shard in plan_pile(rows, parameters).shards if shard.split == split]
        sizes = [len(group) for shard in shards for group in shard.row_groups]
        assert all(size == 5 for size in sizes[:-1])
        assert all(1 <= size <= 5 for size in sizes[-1:])


@given(sized_rows, limits)
def test_shards_close_before_a_limit_and_not_sooner(
    rows: list[PlannedRow], parameters: MergeParameters
) -> None:
    shards = plan_pile(rows, parameters).shards
    for shard in shards:
        assert len(shard.row_groups) == 1 or fits(shard.rows, parameters)
    for shard, following in pairwise(shards):
        if shard.split == following.split:
            assert not fits([*shard.rows, *following.row_groups[0]], parameters)


@given(sized_rows, limits)
def test_names_count_the_shards_of_a_split(rows: list[PlannedRow], parameters: MergeParameters) -> None:
    plan = plan_pile(rows, parameters)
    for split in ("train", "test"):
        names = [shard.name for shard in plan.shards if shard.split == split]
        expected = [f"data/{split}-{number:05}-of-{len(names):05}.parquet" for number in range(len(names))]
        assert names == expected


def rows_of(shards: tuple[PlannedShard, ...], split: str) -> list[PlannedRow]:
    return [row for shard in shards if shard.split == split for row in shard.rows]


def fits(rows: list[PlannedRow] | tuple[PlannedRow, ...], parameters: MergeParameters) -> bool:
    return (
        sum(row.compressed_bytes for row in rows) <= parameters.shard_bytes
        and sum(row.tokens for row in rows) <= parameters.shard_tokens
    )


def test_a_large_pile_is_planned_whole() -> None:
    rows = [
        make_row("vcn", session, segment, 10_000_000, 700_000)
        for session in range(450)
        for segment in range(100)
    ]
    plan = plan_pile(rows, MergeParameters())
    assert sum(len(shard.rows) for shard in plan.shards) == 45_000
    assert {shard.tokens for shard in plan.shards[:-2] if shard.split == "train"} == {1_000_000_000}
    assert re.fullmatch(r"data/train-00000-of-\d{5}\.parquet", plan.shards[0].name)


def test_nothing_to_merge_is_refused() -> None:
    with pytest.raises(CatalogueError, match="no row to merge"):
        plan_pile([], MergeParameters())


@pytest.mark.parametrize(
    "wrong", [{"test_fraction": 1.0}, {"split_by": "day"}, {"shard_bytes": 0}, {"seeds": 1}]
)
def test_parameters_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        MergeParameters.model_validate(wrong)
