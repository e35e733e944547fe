"""What is said of joined pages: sums, offsets and bounds, and nothing that is not known."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikemill.services.merger.parquet_concat import join_row_groups, structures

thrift = structures()
sizes = st.lists(st.tuples(st.integers(1, 10**9), st.integers(1, 10**9)), min_size=1, max_size=5)


def column(kind: int, size: int = 10, **changes: Any) -> Any:
    fields: dict[str, Any] = {
        "type": kind,
        "encodings": [3],
        "path_in_schema": ["x"],
        "codec": 6,
        "num_values": 2,
        "total_uncompressed_size": size * 3,
        "total_compressed_size": size,
        "data_page_offset": 4,
    }
    return thrift.ColumnChunk(file_offset=0, meta_data=thrift.ColumnMetaData(**(fields | changes)))


def row_group(*columns: Any) -> Any:
    return thrift.RowGroup(columns=list(columns), total_byte_size=0, num_rows=1)


def joined_statistics(kind: int, *parts: Any) -> Any:
    groups = [row_group(column(kind, statistics=part)) for part in parts]
    return join_row_groups(groups, 4).columns[0].meta_data.statistics


def bounds(low: bytes | None, high: bytes | None, **more: Any) -> Any:
    return thrift.Statistics(min_value=low, max_value=high, null_count=0, distinct_count=1, **more)


@given(sizes, st.integers(4, 10**12))
def test_columns_follow_each_other_without_a_gap(parts: list[tuple[int, int]], start: int) -> None:
    groups = [row_group(column(thrift.Type.INT32, a), column(thrift.Type.BYTE_ARRAY, b)) for a, b in parts]
    joined = join_row_groups(groups, start)
    first, second = (chunk.meta_data for chunk in joined.columns)
    assert joined.file_offset == first.data_page_offset == start
    assert second.data_page_offset == start + first.total_compressed_size
    assert first.total_compressed_size == sum(a for a, _ in parts)
    assert joined.total_compressed_size == sum(a + b for a, b in parts)
    assert joined.total_byte_size == 3 * joined.total_compressed_size
    assert (joined.num_rows, first.num_values) == (len(parts), 2 * len(parts))


@given(st.lists(st.integers(0, 255), min_size=1, max_size=5))
def test_counts_are_bounded_as_numbers(values: list[int]) -> None:
    parts = [bounds(value.to_bytes(4, "little"), value.to_bytes(4, "little")) for value in values]
    joined = joined_statistics(thrift.Type.INT32, *parts)
    assert int.from_bytes(joined.min_value, "little") == min(values)
    assert int.from_bytes(joined.max_value, "little") == max(values)
    assert (joined.null_count, joined.distinct_count) == (0, None)


@given(st.lists(st.text(max_size=4), min_size=1, max_size=5))
def test_texts_are_bounded_by_their_bytes(values: list[str]) -> None:
    encoded = [value.encode() for value in values]
    joined = joined_statistics(thrift.Type.BYTE_ARRAY, *(bounds(value, value) for value in encoded))
    assert (joined.min_value, joined.max_value) == (min(encoded), max(encoded))


def test_a_bound_that_one_part_lacks_is_not_known() -> None:
    known, unknown = bounds(b"a", b"b", is_min_value_exact=True, is_max_value_exact=True), bounds(None, b"c")
    joined = joined_statistics(thrift.Type.BYTE_ARRAY, known, unknown)
    assert (joined.min_value, joined.is_min_value_exact) == (None, None)
    assert (joined.max_value, joined.is_max_value_exact) == (b"c", None)
    assert joined_statistics(thrift.Type.BYTE_ARRAY, known, None) is None


@pytest.mark.parametrize(("flags", "expected"), [((True, True), True), ((True, False), False)])
def test_a_bound_is_exact_if_all_are(flags: tuple[bool, bool], *, expected: bool) -> None:
    parts = [bounds(b"a", b"b", is_min_value_exact=flag, is_max_value_exact=flag) for flag in flags]
    joined = joined_statistics(thrift.Type.BYTE_ARRAY, *parts)
    assert (joined.is_min_value_exact, joined.is_max_value_exact) == (expected, expected)


def test_sizes_add_up_and_what_counts_pages_is_dropped() -> None:
    parts = [
        thrift.SizeStatistics(repetition_level_histogram=[1, 2, 3], definition_level_histogram=[0, 6]),
        thrift.SizeStatistics(repetition_level_histogram=[1, 5, 7], definition_level_histogram=[1, 12]),
    ]
    pages = [thrift.PageEncodingStats(page_type=0, encoding=9, count=1)]
    groups = [row_group(column(1, size_statistics=part, encoding_stats=pages)) for part in parts]
    metadata = join_row_groups(groups, 4).columns[0].meta_data
    assert metadata.size_statistics.repetition_level_histogram == [2, 7, 10]
    assert metadata.size_statistics.definition_level_histogram == [1, 18]
    assert metadata.size_statistics.unencoded_byte_array_data_bytes is None
    assert metadata.encoding_stats is None
