"""The audit of a shard: what is not as planned does not pass."""

import hashlib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spikemill.services.common.catalog.tables import MergeParameters
from spikemill.services.common.errors import DamagedOutputError
from spikemill.services.common.parquet_schema import SCHEMA
from spikemill.services.common.row_format import WRITER_OPTIONS
from spikemill.services.common.store import FolderStore
from spikemill.services.common.types import PlannedShard, SessionKey
from spikemill.services.merger.assembly import audit_shard
from spikemill.services.merger.plan import plan_pile
from spikemill.services.merger.shards import ChunkStore, write_shard
from tests.unit.merger.generated_piles import GeneratedSession, make_sessions, planned_rows, write_chunk


@pytest.fixture
def shard(sessions: list[GeneratedSession]) -> PlannedShard:
    (shard,) = plan_pile(planned_rows(sessions), MergeParameters(test_fraction=0)).shards
    return shard


@pytest.fixture
def path(shard: PlannedShard, tmp_path: Path) -> Path:
    write_shard(shard, ChunkStore(FolderStore(tmp_path / "store")), tmp_path / "s.parquet")
    return tmp_path / "s.parquet"


def units_of(sessions: list[GeneratedSession]) -> dict[SessionKey, int]:
    return {session.key: len(session.matrices[0]) for session in sessions}


def audit(shard: PlannedShard, path: Path, sessions: list[GeneratedSession]) -> Counter[SessionKey]:
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return audit_shard(shard, path, sha256, units_of(sessions))


def test_a_sound_shard_passes_and_its_spikes_are_counted(
    shard: PlannedShard, path: Path, sessions: list[GeneratedSession]
) -> None:
    expected = {session.key: session.record().spikes for session in sessions}
    assert audit(shard, path, sessions) == expected


def test_a_changed_file_is_refused(shard: PlannedShard, path: Path, sessions: list[GeneratedSession]) -> None:
    with pytest.raises(DamagedOutputError, match="was changed after it was written"):
        audit_shard(shard, path, "0" * 64, units_of(sessions))


def test_a_missing_file_is_refused(shard: PlannedShard, tmp_path: Path) -> None:
    with pytest.raises(DamagedOutputError, match="No such file"):
        audit_shard(shard, tmp_path / "nothing.parquet", "0" * 64, {})


def test_rows_that_changed_places_are_refused(
    shard: PlannedShard, path: Path, sessions: list[GeneratedSession]
) -> None:
    first, second, *others = shard.row_groups
    swapped = replace(shard, row_groups=(second, first, *others))
    with pytest.raises(DamagedOutputError, match=r"row 0 is .* in row group 0, planned was"):
        audit(swapped, path, sessions)


def test_other_row_groups_are_refused(
    shard: PlannedShard, path: Path, sessions: list[GeneratedSession]
) -> None:
    regrouped = replace(shard, row_groups=(shard.row_groups[0] + shard.row_groups[1], *shard.row_groups[2:]))
    with pytest.raises(DamagedOutputError, match=r"in row group 1, planned was .* in row group 0"):
        audit(regrouped, path, sessions)


def test_a_missing_row_is_refused(shard: PlannedShard, path: Path, sessions: list[GeneratedSession]) -> None:
    shorter = replace(shard, row_groups=shard.row_groups[:-1])
    with pytest.raises(DamagedOutputError, match="another number of rows than the 30"):
        audit(shorter, path, sessions)


def test_another_shape_is_refused(shard: PlannedShard, path: Path, sessions: list[GeneratedSession]) -> None:
    units = {key: count + 1 for key, count in units_of(sessions).items()}
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(DamagedOutputError, match=r"copied from chunk .* units and .* tokens, planned were"):
        audit_shard(shard, path, sha256, units)


def test_units_of_unequal_lengths_are_refused(
    shard: PlannedShard, path: Path, sessions: list[GeneratedSession]
) -> None:
    row = pq.read_table(path).slice(0, 1).to_pylist()[0] | {"spike_counts": [[1, 2], [3]]}
    ragged = pa.Table.from_pylist([row], schema=SCHEMA)
    pq.write_table(ragged, path, **WRITER_OPTIONS)
    with pytest.raises(DamagedOutputError, match=r"no matrix; its units have \[1, 2\] bins"):
        audit(shard, path, sessions)


def test_a_damaged_page_is_found_by_its_checksum(tmp_path: Path) -> None:
    sessions = make_sessions(tmp_path / "store")
    path = tmp_path / "s.parquet"
    session = sessions[0]
    write_chunk(path, session.key, session.matrices, dict(WRITER_OPTIONS) | {"write_page_checksum": True})
    shard = PlannedShard("data/s.parquet", "train", tuple((row,) for row in session.rows))
    audit(shard, path, sessions)
    start = pq.read_metadata(path).row_group(2).column(0).data_page_offset
    data = bytearray(path.read_bytes())
    data[start + 60] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedOutputError, match="CRC"):
        audit(shard, path, sessions)
