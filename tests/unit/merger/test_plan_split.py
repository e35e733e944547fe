"""The split: no group on both sides, and none that ever changes sides."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikemill.services.common.catalog.tables import MergeParameters
from spikemill.services.common.types import PlannedRow, SplitBy
from spikemill.services.merger.plan import Split, SplitRule, divide, falls_below, group_key
from tests.unit.merger.generated_rows import make_row, rows

split_bys = st.sampled_from(["session", "subject", "row"])
fractions = st.sampled_from([0.0, 0.01, 0.3, 0.5, 0.99])


@given(rows, split_bys, fractions, st.integers(0, 5))
def test_every_row_on_one_side_and_no_group_on_both(
    planned: list[PlannedRow], split_by: SplitBy, fraction: float, seed: int
) -> None:
    parameters = MergeParameters(seed=seed, split_by=split_by, test_fraction=fraction)
    split = divide(planned, parameters)
    train, test = groups_of(split, split_by)
    assert [row for row in planned if row in set(split.train)] == list(split.train)
    assert sorted([*split.train, *split.test], key=repr) == sorted(planned, key=repr)
    assert not train & test
    assert train
    assert bool(test) == (fraction > 0 and len(train | test) > 1)
    assert (split.facts.groups, split.facts.test_groups) == (len(train | test), len(test))
    assert split.facts.train_tokens == sum(row.tokens for row in split.train)
    assert split.facts.test_tokens == sum(row.tokens for row in split.test)


@given(rows, split_bys, st.integers(0, 5))
def test_a_group_stays_on_its_side_when_a_source_is_added(
    planned: list[PlannedRow], split_by: SplitBy, seed: int
) -> None:
    parameters = MergeParameters(seed=seed, split_by=split_by, test_fraction=0.4)
    whole = divide(planned, parameters)
    part = divide([row for row in planned if row.source == "vcn"], parameters)
    if whole.facts.rule == part.facts.rule == SplitRule.DIGEST:
        assert set(part.test) == {row for row in whole.test if row.source == "vcn"}


def groups_of(split: Split[PlannedRow], split_by: SplitBy) -> tuple[set[object], set[object]]:
    train = {group_key(row, split_by) for row in split.train}
    test = {group_key(row, split_by) for row in split.test}
    return set(train), set(test)


def test_group_keys_nest() -> None:
    row = make_row("vcn", 5, 2)
    assert group_key(row, "subject") == ("vcn", "sub-1")
    assert group_key(row, "session") == ("vcn", "sub-1", "ses-5")
    assert group_key(row, "row") == ("vcn", "sub-1", "ses-5", "segment_2")


@given(st.text(min_size=1, max_size=5).filter(str.isascii), st.floats(0, 0.999))
def test_a_group_tests_where_its_digest_falls_below_the_fraction(session: str, fraction: float) -> None:
    array = json.dumps([7, "test", ["vcn", "sub-1", session]], separators=(",", ":"), ensure_ascii=False)
    digest = int.from_bytes(hashlib.sha256(array.encode()).digest(), "big")
    numerator, denominator = fraction.as_integer_ratio()
    assert falls_below(("vcn", "sub-1", session), 7, fraction) == (digest * denominator < numerator * 2**256)


def test_the_group_of_fewest_tokens_tests_where_no_digest_falls_below() -> None:
    planned = [make_row("vcn", session, 0, tokens=100 - session) for session in range(9)]
    split = divide(planned, MergeParameters(test_fraction=1e-9))
    assert split.facts.rule == SplitRule.SMALLEST_TESTS
    assert [row.session for row in split.test] == ["ses-8"]


def test_equal_smallest_groups_are_told_apart_by_digest_not_by_order() -> None:
    planned = [make_row("vcn", session, 0) for session in range(9)]
    parameters = MergeParameters(test_fraction=1e-9)
    assert divide(planned, parameters).test == divide(planned[::-1], parameters).test


def test_the_group_of_most_tokens_trains_where_every_digest_falls_below() -> None:
    planned = [make_row("vcn", session, 0, tokens=100 - session) for session in range(3)]
    split = divide(planned, MergeParameters(test_fraction=1 - 1e-9))
    assert split.facts.rule == SplitRule.LARGEST_TRAINS
    assert [row.session for row in split.train] == ["ses-0"]


@pytest.mark.parametrize("fraction", [0.0, 0.5])
def test_no_test_split_of_a_single_group(fraction: float) -> None:
    split = divide([make_row("vcn", 1, 0), make_row("vcn", 1, 1)], MergeParameters(test_fraction=fraction))
    assert (split.facts.rule, split.test) == (SplitRule.NO_TEST, [])
    assert (split.facts.test_rows, split.facts.test_tokens) == (0, 0)


def test_fractions_reached() -> None:
    planned = [make_row("vcn", 1, 0, tokens=30), make_row("vcn", 2, 0, tokens=10)]
    facts = divide(planned, MergeParameters(test_fraction=1e-9)).facts
    assert (facts.test_rows / facts.rows, facts.test_tokens / facts.tokens) == (0.5, 0.25)
