"""Shards: the chunks' own bytes under a footer that pyarrow believes."""

import hashlib
import resource
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from spikemill.services.binner.chunks import cut_segments
from spikemill.services.binner.chunks import write_chunk as write_binned
from spikemill.services.common.catalog.tables import MergeParameters
from spikemill.services.common.errors import DamagedOutputError, StoreError
from spikemill.services.common.parquet_schema import SCHEMA
from spikemill.services.common.store import FolderStore
from spikemill.services.common.types import PlannedRow, PlannedShard, SessionNames
from spikemill.services.merger.plan import plan_pile
from spikemill.services.merger.shards import ChunkStore, DamagedChunkError, write_shard
from tests.unit.merger.generated_piles import (
    GeneratedSession,
    make_sessions,
    planned_rows,
    row_table,
    write_chunk,
)


@pytest.fixture
def chunks(tmp_path: Path) -> ChunkStore:
    return ChunkStore(FolderStore(tmp_path / "store"))


def one_shard(sessions: list[GeneratedSession]) -> PlannedShard:
    (shard,) = plan_pile(planned_rows(sessions), MergeParameters(test_fraction=0)).shards
    return shard


def tables(sessions: list[GeneratedSession], rows: tuple[PlannedRow, ...]) -> pa.Table:
    """Make the table that the rows should read as."""
    matrices = {session.chunk: session for session in sessions}
    return pa.concat_tables(
        row_table(matrices[row.chunk].key, row.row_group, matrices[row.chunk].matrices[row.row_group])
        for row in rows
    )


def test_pyarrow_reads_the_rows_of_the_chunks(
    sessions: list[GeneratedSession], chunks: ChunkStore, tmp_path: Path
) -> None:
    shard, path = one_shard(sessions), tmp_path / "s.parquet"
    written = write_shard(shard, chunks, path)
    read = pq.read_table(path)
    assert read.equals(tables(sessions, shard.rows))
    assert read.schema.equals(SCHEMA, check_metadata=True)
    assert (written.rows, written.tokens) == (33, sum(row.tokens for row in shard.rows))
    assert (written.bytes, written.sha256) == (
        path.stat().st_size,
        hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def test_the_footer_says_what_pyarrow_would_say(
    sessions: list[GeneratedSession], chunks: ChunkStore, tmp_path: Path
) -> None:
    shard = one_shard(sessions)
    write_shard(shard, chunks, tmp_path / "s.parquet")
    metadata = pq.read_metadata(tmp_path / "s.parquet")
    chunk = pq.read_metadata(sessions[0].path)
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [5] * 6 + [3]
    assert metadata.schema.equals(chunk.schema)
    assert (metadata.created_by, metadata.metadata) == (chunk.created_by, chunk.metadata)
    for index, rows in enumerate(shard.row_groups):
        counts, *names = (metadata.row_group(index).column(number) for number in range(5))
        expected = tables(sessions, rows)
        assert counts.num_values == sum(row.tokens for row in rows)
        assert counts.statistics.max == max(np.concatenate(cells(expected)))
        assert (counts.statistics.min, counts.statistics.null_count) == (0, 0)
        assert not counts.statistics.has_distinct_count
        for number, column in enumerate(names, start=1):
            values = expected.column(number).to_pylist()
            assert (column.statistics.min, column.statistics.max) == (min(values), max(values))
        assert metadata.row_group(index).total_byte_size == sum(
            column.total_uncompressed_size for column in (counts, *names)
        )


def cells(table: pa.Table) -> list[np.ndarray]:
    return [chunk.flatten().flatten().to_numpy() for chunk in table.column("spike_counts").chunks]


def test_filters_skip_row_groups_by_their_bounds(
    sessions: list[GeneratedSession], chunks: ChunkStore, tmp_path: Path
) -> None:
    rows = sorted(planned_rows(sessions), key=lambda row: row.source)
    groups = tuple(tuple(rows[start : start + 5]) for start in range(0, 33, 5))
    write_shard(PlannedShard("data/s.parquet", "train", groups), chunks, tmp_path / "s.parquet")
    (fragment,) = ds.dataset(tmp_path / "s.parquet").get_fragments()
    wanted = pc.field("source_dataset") == "shield"
    assert [group.id for group in fragment.subset(wanted).row_groups] == [0, 1, 2]
    found = pq.read_table(tmp_path / "s.parquet", filters=[("source_dataset", "=", "shield")])
    assert found.num_rows == 15


def test_the_same_plan_makes_the_same_bytes(
    sessions: list[GeneratedSession], chunks: ChunkStore, tmp_path: Path
) -> None:
    first = write_shard(one_shard(sessions), chunks, tmp_path / "a.parquet")
    again = write_shard(
        one_shard(sessions), ChunkStore(FolderStore(tmp_path / "store")), tmp_path / "b.parquet"
    )
    assert first == again


def test_a_chunk_of_the_binner_is_merged(tmp_path: Path) -> None:
    counts = np.random.default_rng(0).poisson(0.3, (20, 5_000)).astype(np.uint8)
    segments = list(cut_segments(20, 5_000, limit=30_000))
    facts = write_binned(
        tmp_path / "c.parquet",
        SessionNames("vcn", "sub-1", "ses-1"),
        ((segment, counts[:, segment.first_bin : segment.stop_bin].copy()) for segment in segments),
    )
    rows = [
        PlannedRow(
            "vcn",
            "sub-1",
            "ses-1",
            segment.segment_id,
            row.tokens,
            row.compressed_bytes,
            "c.parquet",
            row.index,
            facts.sha256,
        )
        for segment, row in zip(segments, facts.rows, strict=True)
    ]
    (shard,) = plan_pile(rows, MergeParameters()).shards
    write_shard(shard, ChunkStore(FolderStore(tmp_path)), tmp_path / "s.parquet")
    by_segment = {row["segment_id"]: row for row in pq.read_table(tmp_path / "s.parquet").to_pylist()}
    merged = np.hstack([by_segment[segment.segment_id]["spike_counts"] for segment in segments])
    assert np.array_equal(merged, counts)


def test_pages_longer_than_a_block_are_copied_whole(tmp_path: Path) -> None:
    counts = np.random.default_rng(0).integers(0, 256, (3, 900_000), dtype=np.uint8)
    session = GeneratedSession(make_sessions(tmp_path)[0].key, [counts, counts[:, ::-1].copy()], tmp_path)
    write_chunk(session.path, session.key, session.matrices)
    (shard,) = plan_pile(session.rows, MergeParameters()).shards
    write_shard(shard, ChunkStore(FolderStore(tmp_path)), tmp_path / "s.parquet")
    assert pq.read_table(tmp_path / "s.parquet").equals(tables([session], shard.rows))


def remove(path: Path) -> None:
    path.unlink()


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    path.write_bytes(data)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("damage", "problem"),
    [(remove, "cannot be read"), (flip_a_byte, "was changed"), (cut_off, "was changed")],
)
def test_a_damaged_chunk_is_named_and_no_file_is_left(
    sessions: list[GeneratedSession], chunks: ChunkStore, tmp_path: Path, damage: object, problem: str
) -> None:
    assert callable(damage)
    write_shard(one_shard(sessions), chunks, tmp_path / "s.parquet")
    shard = one_shard(sessions)
    damage(sessions[3].path)
    with pytest.raises(DamagedChunkError, match=f"Chunk {sessions[3].chunk} {problem}") as caught:
        write_shard(shard, chunks, tmp_path / "t.parquet")
    assert caught.value.chunk == sessions[3].chunk
    assert not (tmp_path / "t.parquet").exists()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"row_group": 1}, "row group 1 has"),
        ({"row_group": 99}, "none with the number 99"),
        ({"tokens": 5}, "tokens .* planned 5"),
        ({"compressed_bytes": 5}, "bytes .* planned 5"),
        ({"subject": "sub-x"}, "subject sub-0, planned sub-x"),
        ({"session": "ses-x"}, "session ses-0, planned ses-x"),
        ({"segment": "segment_9"}, "segment segment_0, planned segment_9"),
        ({"source": "other"}, "source vcn, planned other"),
    ],
)
def test_a_chunk_that_holds_another_row_is_refused(
    sessions: list[GeneratedSession],
    chunks: ChunkStore,
    tmp_path: Path,
    change: dict[str, object],
    problem: str,
) -> None:
    row = replace(sessions[0].rows[0], **change)  # type: ignore[arg-type]  # one field of each type
    shard = PlannedShard("data/s.parquet", "train", ((row,),))
    with pytest.raises(DamagedOutputError, match=problem):
        write_shard(shard, chunks, tmp_path / "s.parquet")


def test_a_file_that_cannot_grow_is_one_clear_error_and_leaves_nothing(
    sessions: list[GeneratedSession], chunks: ChunkStore, tmp_path: Path
) -> None:
    shard = one_shard(sessions)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, limits[1]))
    try:
        with pytest.raises(StoreError, match=r"s.parquet cannot be written: File too large"):
            write_shard(shard, chunks, tmp_path / "s.parquet")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not (tmp_path / "s.parquet").exists()


def test_a_folder_that_is_not_there_is_one_clear_error(
    sessions: list[GeneratedSession], chunks: ChunkStore, tmp_path: Path
) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        write_shard(one_shard(sessions), chunks, tmp_path / "nowhere" / "s.parquet")
