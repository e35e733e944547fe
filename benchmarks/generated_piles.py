"""Whole piles of generated chunks, written as a build writes them, for the benchmarks that read."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from spikemill.services.common.catalog.tables import MergeParameters
from spikemill.services.common.row_format import FORMAT_ID
from spikemill.services.common.store import FolderStore
from spikemill.services.common.types import PlannedRow
from spikemill.services.merger.card import render_card
from spikemill.services.merger.plan import MergePlan, list_digest, plan_pile
from spikemill.services.merger.provenance import PileRecord, Provenance, ShardRecord
from spikemill.services.merger.shards import ChunkStore, write_shard


def merge(store: Path, rows: Sequence[PlannedRow], pile: Path, parameters: MergeParameters) -> None:
    """Write shards, provenance and card."""
    (pile / "data").mkdir(parents=True)
    plan = plan_pile(rows, parameters)
    chunks = ChunkStore(FolderStore(store))
    shards = [write_shard(shard, chunks, pile / shard.name) for shard in plan.shards]
    _write_metadata(pile, Provenance(_pile_record(rows, plan, shards, parameters), ()))


def _pile_record(
    rows: Sequence[PlannedRow], plan: MergePlan, shards: Sequence[ShardRecord], parameters: MergeParameters
) -> PileRecord:
    """Return the first line of the provenance."""
    sources = sorted({row.source for row in rows})
    return PileRecord(
        name="generated-pile",
        format_id=FORMAT_ID,
        rows_digest=list_digest(rows),
        parameters=parameters,
        sources=tuple(
            {"name": name, "archive": "files", "identifier": name, "redistributable": True}
            for name in sources
        ),
        split=plan.split,
        shards=tuple(shards),
    )


def _write_metadata(pile: Path, provenance: Provenance) -> None:
    """Write provenance.jsonl and the card that belongs to it."""
    data = provenance.to_bytes()
    (pile / "provenance.jsonl").write_bytes(data)
    card = render_card(provenance, hashlib.sha256(data).hexdigest())
    (pile / "README.md").write_text(card, encoding="utf-8")
