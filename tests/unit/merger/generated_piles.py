"""Chunks and piles of generated counts, written as the house writes them."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from spikemill.services.common.catalog.tables import MergeParameters
from spikemill.services.common.parquet_schema import SCHEMA
from spikemill.services.common.row_format import FORMAT_ID, WRITER_OPTIONS
from spikemill.services.common.store import FolderStore
from spikemill.services.common.types import PlannedRow, SessionKey
from spikemill.services.merger.card import render_card
from spikemill.services.merger.plan import MergePlan, list_digest, plan_pile
from spikemill.services.merger.provenance import (
    AssetRecord,
    MissingRecord,
    PileRecord,
    Provenance,
    SessionRecord,
)
from spikemill.services.merger.shards import ChunkStore, write_shard

Counts = npt.NDArray[np.uint8]


def row_table(key: SessionKey, segment: int, counts: Counts) -> pa.Table:
    """Make a table of one row from a matrix of units x bins."""
    units, bins = counts.shape
    cells = SCHEMA.field("spike_counts").type
    offsets = pa.array(np.arange(units + 1, dtype=np.int32) * bins)
    trains = pa.ListArray.from_arrays(offsets, pa.array(counts.ravel()), type=cells.value_type)
    matrix = pa.ListArray.from_arrays(pa.array([0, units], pa.int32()), trains, type=cells)
    names = (key.subject, key.session, f"segment_{segment}", key.source)
    return pa.table([matrix, *([name] for name in names)], schema=SCHEMA)


def write_chunk(
    path: Path,
    key: SessionKey,
    matrices: Sequence[Counts],
    options: Mapping[str, Any] = WRITER_OPTIONS,
    schema: pa.Schema = SCHEMA,
) -> None:
    """Write a chunk: a row group per matrix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(path, schema, **options) as writer:
        for segment, counts in enumerate(matrices):
            writer.write_table(row_table(key, segment, counts).cast(schema))


@dataclass(frozen=True)
class GeneratedSession:
    """A session whose chunk stands under `store`."""

    key: SessionKey
    matrices: Sequence[Counts]
    store: Path

    @property
    def chunk(self) -> str:
        """The chunk's name in the store."""
        return f"chunks/{self.key.source}/{self.key.session}.parquet"

    @property
    def path(self) -> Path:
        """The chunk's file."""
        return self.store / self.chunk

    @cached_property
    def rows(self) -> Sequence[PlannedRow]:
        """The rows as the ledger would describe them."""
        sha256 = hashlib.sha256(self.path.read_bytes()).hexdigest()
        metadata = pq.read_metadata(self.path)
        groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
        return [
            PlannedRow(
                *self.key,
                segment=f"segment_{index}",
                tokens=counts.size,
                compressed_bytes=sum(group.column(c).total_compressed_size for c in range(group.num_columns)),
                chunk=self.chunk,
                row_group=index,
                chunk_sha256=sha256,
            )
            for index, (counts, group) in enumerate(zip(self.matrices, groups, strict=True))
        ]

    def record(self) -> SessionRecord:
        """Return the session's line of provenance."""
        return SessionRecord(
            source=self.key.source,
            subject=self.key.subject,
            session=self.key.session,
            archive="dandi",
            identifier="000021",
            version="0.1",
            assets=(
                AssetRecord(asset_id="id", path=f"{self.key.session}.nwb", size=1, digests={"sha256": "0"}),
            ),
            n_units=len(self.matrices[0]),
            n_bins=sum(counts.shape[1] for counts in self.matrices),
            rows=len(self.matrices),
            tokens=sum(counts.size for counts in self.matrices),
            spikes=sum(int(counts.sum()) for counts in self.matrices),
            clipped=0,
            left_out=0,
            chunk_sha256=self.rows[0].chunk_sha256,
        )


def make_session(
    store: Path, key: SessionKey, *, units: int = 7, rows: int = 4, seed: int = 0
) -> GeneratedSession:
    """Write a session of random counts; its last row is shorter than the others."""
    generator = np.random.default_rng([seed, *map(ord, "".join(key))])
    lengths = [50 + 10 * units] * (rows - 1) + [31]
    matrices = [generator.poisson(0.2, (units, bins)).astype(np.uint8) for bins in lengths]
    session = GeneratedSession(key, matrices, store)
    write_chunk(session.path, key, matrices)
    return session


def make_sessions(store: Path) -> list[GeneratedSession]:
    """Write seven sessions of two sources: 33 rows in all."""
    return [
        make_session(
            store, SessionKey(source, f"sub-{number % 3}", f"ses-{number}"), units=3 + number, rows=rows
        )
        for source, sizes in {"vcn": (4, 6, 1, 7), "shield": (5, 8, 2)}.items()
        for number, rows in enumerate(sizes)
    ]


def planned_rows(sessions: Sequence[GeneratedSession]) -> list[PlannedRow]:
    """Return the rows of all sessions."""
    return [row for session in sessions for row in session.rows]


SMALL_SHARDS = MergeParameters(seed=3, test_fraction=0.3, shard_bytes=9_000)


def write_pile(
    pile: Path, sessions: Sequence[GeneratedSession], parameters: MergeParameters = SMALL_SHARDS
) -> Provenance:
    """Merge sessions into a whole pile; return its provenance."""
    return write_planned(pile, sessions, parameters, plan_pile(planned_rows(sessions), parameters))


def write_planned(
    pile: Path, sessions: Sequence[GeneratedSession], parameters: MergeParameters, plan: MergePlan
) -> Provenance:
    """Write the shards of a plan, then card and provenance."""
    chunks = ChunkStore(FolderStore(sessions[0].store))
    (pile / "data").mkdir(parents=True)
    shards = tuple(write_shard(shard, chunks, pile / shard.name) for shard in plan.shards)
    record = PileRecord(
        name="generated-pile",
        notes="These data are made up.",
        format_id=FORMAT_ID,
        rows_digest=list_digest(planned_rows(sessions)),
        parameters=parameters,
        sources=(_entry("vcn", "LicenseRef-Allen"), _entry("shield", "CC-BY-4.0")),
        split=plan.split,
        shards=shards,
    )
    missing = MissingRecord(source="vcn", path="sub-9/ses-9.nwb", reason="no units | table\nin the file")
    provenance = Provenance(record, tuple(session.record() for session in sessions), (missing,))
    write_metadata(pile, provenance)
    return provenance


def write_metadata(pile: Path, provenance: Provenance) -> None:
    """Write provenance.jsonl and the card that belongs to it."""
    data = provenance.to_bytes()
    (pile / "provenance.jsonl").write_bytes(data)
    card = render_card(provenance, hashlib.sha256(data).hexdigest())
    (pile / "README.md").write_text(card, encoding="utf-8")


def _entry(name: str, licence: str) -> dict[str, Any]:
    return {
        "name": name,
        "archive": "dandi",
        "identifier": "000021",
        "version": "0.1",
        "species": "mouse",
        "license": licence,
        "redistributable": True,
        "citation": f"The makers of {name}.",
        "bin_size": 0.02,
    }
