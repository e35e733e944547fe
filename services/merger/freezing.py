"""What a release freezes: its rows in order, its split and its shards, from what the ledger holds."""

from collections.abc import Mapping, Sequence
from typing import Any

from spikemill.services.common.catalog import source_from_record
from spikemill.services.common.catalog.tables import MergeParameters
from spikemill.services.common.ledger.release_queries import MissingSession, StoredRow
from spikemill.services.common.ledger.releases import FrozenRelease, FrozenRow, FrozenShard
from spikemill.services.common.models import Build, Shard, SourceVersion
from spikemill.services.common.types import digest
from spikemill.services.merger.plan import (
    PlannedRow,
    PlannedShard,
    SplitName,
    list_digest,
    plan_pile,
    row_groups,
)

NOT_BUILT = "it could not be built"
"""Why a session is missing that failed; a skipr for this very reason says the same."""
_SKIPPED = "skipped: "


def planned_row(row: StoredRow) -> PlannedRow:
    """Return a row of the ledger as the merger sees it."""
    return PlannedRow(
        source=row.source,
        subject=row.subject,
        session=row.session,
        segment=f"segment_{row.index}",
        tokens=row.tokens,
        compressed_bytes=row.compressed_bytes,
        chunk=row.chunk,
        row_group=row.row_group,
        chunk_sha256=row.chunk_sha256,
    )


def planned_shard(shard: Shard, rows: Sequence[StoredRow]) -> PlannedShard:
    """Return a frozen shard as it was planned."""
    split: SplitName = "test" if shard.split == "test" else "train"
    return PlannedShard(shard.name, split, tuple(row_groups([planned_row(row) for row in rows])))


def stored_parameters(stored: Mapping[str, Any]) -> MergeParameters:
    """Read the parameters of a release, which also names the texts of its card."""
    return MergeParameters(**{key: stored[key] for key in MergeParameters.model_fields if key in stored})


def card_texts(build: Build, sources: Sequence[SourceVersion]) -> dict[str, Any]:
    """Return what the card will say of a pile and its sources, as their entries stand now."""
    return {
        "notes": build.notes or "",
        "sources": [source_from_record(source.config).describe() for source in sources],
    }


def missing_records(missing: Sequence[MissingSession]) -> list[dict[str, str]]:
    """Say of each missing session why: in words that are the same wherever the build runs."""
    return [
        {"source": session.source, "path": session.key, "reason": _reason(session.skipped)}
        for session in missing
    ]


def _reason(skipped: str | None) -> str:
    return NOT_BUILT if skipped in (None, NOT_BUILT) else f"{_SKIPPED}{skipped}"


def skip_reason_for(reason: str) -> str:
    """Return the reason to skip a session for, so that a release gives the reason of this record."""
    return reason.removeprefix(_SKIPPED)


def freeze_rows(
    build_digest: str,
    parameters: Mapping[str, Any],
    rows: Sequence[StoredRow],
    missing: Sequence[MissingSession],
    texts: Mapping[str, Any],
) -> FrozenRelease:
    """Plan a release; the same rows, parameters, missing sessions and texts give the same digest."""
    row_ids = {planned_row(row): row.row_id for row in rows}
    plan = plan_pile(row_ids, stored_parameters(parameters))
    rows_digest = list_digest(row_ids)
    left_out = missing_records(missing)
    return FrozenRelease(
        digest=digest([build_digest, dict(parameters), rows_digest, left_out, dict(texts)]),
        list_digest=rows_digest,
        split=plan.split.model_dump(mode="json"),
        texts=texts,
        missing=left_out,
        shards=[_frozen_shard(shard, row_ids) for shard in plan.shards],
    )


def _frozen_shard(shard: PlannedShard, row_ids: Mapping[PlannedRow, int]) -> FrozenShard:
    rows = [FrozenRow(row_ids[row], row.chunk, row.chunk_sha256) for row in shard.rows]
    return FrozenShard(shard.split, shard.name, shard.tokens, rows)
