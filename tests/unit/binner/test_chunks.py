"""A chunk is one row group per row, the same bytes each time, and whole or not there."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from spikemill.services.binner.chunks import Segment, WrittenChunk, cut_segments, write_chunk
from spikemill.services.common.errors import StoreError
from spikemill.services.common.parquet_schema import SCHEMA
from spikemill.services.common.types import SessionNames

NAMES = SessionNames("vcn", "sub-01", "sub-01_ses-a_behavior+ecephys")
COUNTS = np.random.default_rng(3).poisson(0.4, (7, 100)).astype(np.uint8)


def rows(limit: int = 140) -> Iterator[tuple[Segment, NDArray[np.uint8]]]:
    """Cut the counts into five rows of 20 bins."""
    n_units, n_bins = COUNTS.shape
    for segment in cut_segments(n_units, n_bins, limit):
        yield segment, np.ascontiguousarray(COUNTS[:, segment.first_bin : segment.stop_bin])


@pytest.fixture
def chunk(tmp_path: Path) -> tuple[Path, WrittenChunk]:
    """Write a chunk of five rows."""
    path = tmp_path / "chunk.partial"
    return path, write_chunk(path, NAMES, rows())


def test_a_chunk_reads_back_as_it_was_written(chunk: tuple[Path, WrittenChunk]) -> None:
    table = pq.read_table(chunk[0])
    assert table.schema.equals(SCHEMA, check_metadata=True)
    read = [np.array(row, np.uint8) for row in table["spike_counts"].to_pylist()]
    np.testing.assert_array_equal(np.hstack(read), COUNTS)
    assert table["segment_id"].to_pylist() == [f"segment_{i}" for i in range(5)]
    for column, value in (
        ("subject_id", NAMES.subject_id),
        ("session_id", NAMES.session_id),
        ("source_dataset", NAMES.source),
    ):
        assert set(table[column].to_pylist()) == {value}


def test_each_row_is_a_row_group_without_a_dictionary(chunk: tuple[Path, WrittenChunk]) -> None:
    metadata = pq.read_metadata(chunk[0])
    assert metadata.num_row_groups == 5
    for group in range(5):
        assert metadata.row_group(group).num_rows == 1
        for column in range(metadata.num_columns):
            pages = metadata.row_group(group).column(column)
            assert not pages.has_dictionary_page
            assert pages.compression == "ZSTD"
    assert "BYTE_STREAM_SPLIT" in metadata.row_group(0).column(0).encodings


def test_the_facts_are_those_of_the_file(chunk: tuple[Path, WrittenChunk]) -> None:
    path, facts = chunk
    assert facts.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert facts.bytes == path.stat().st_size
    assert [row.index for row in facts.rows] == list(range(5))
    assert [row.first_bin for row in facts.rows] == [0, 20, 40, 60, 80]
    assert {(row.bins, row.tokens) for row in facts.rows} == {(20, 140)}
    assert 0 < sum(row.compressed_bytes for row in facts.rows) < facts.bytes


def test_equal_rows_make_equal_bytes(chunk: tuple[Path, WrittenChunk], tmp_path: Path) -> None:
    assert write_chunk(tmp_path / "another", NAMES, rows()) == chunk[1]


def test_a_full_row_keeps_its_shape(tmp_path: Path) -> None:
    counts = np.random.default_rng(5).poisson(0.1, (2000, 5001)).astype(np.uint8)
    path = tmp_path / "chunk"
    write_chunk(path, NAMES, [(Segment(0, 0, 5001), counts)])
    units = pq.read_table(path)["spike_counts"].chunk(0).values
    np.testing.assert_array_equal(units.values.to_numpy().reshape(counts.shape), counts)
    assert set(np.diff(units.offsets.to_numpy())) == {5001}


def test_a_full_disk_is_named_and_no_file_is_left(tmp_path: Path) -> None:
    path = tmp_path / "chunk"
    path.symlink_to("/dev/full")
    with pytest.raises(StoreError, match=r"the disk is full"):
        write_chunk(path, NAMES, rows())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="missing/chunk"):
        write_chunk(tmp_path / "missing" / "chunk", NAMES, rows())


def test_no_file_is_left_when_counting_fails(tmp_path: Path) -> None:
    def failing() -> Iterator[tuple[Segment, NDArray[np.uint8]]]:
        yield next(rows())
        raise MemoryError

    with pytest.raises(MemoryError):
        write_chunk(tmp_path / "chunk", NAMES, failing())
    assert list(tmp_path.iterdir()) == []
