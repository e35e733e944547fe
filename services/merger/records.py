"""The lines of a pile's provenance, from what the ledger holds."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

from services.common.catalogue.reader_options import ESTIMATING_READERS
from services.common.data_format import FORMAT_ID
from services.common.models import Asset, Build, Release, Session, Shard
from services.merger.freezing import stored_parameters
from services.merger.provenance import (
    AssetRecord,
    MissingRecord,
    PileRecord,
    Provenance,
    SessionRecord,
    ShardRecord,
)
from services.merger.split import SplitFacts


def provenance_of(
    release: Release,
    build: Build,
    sessions: Sequence[Session],
    shards: Sequence[Shard],
) -> Provenance:
    """Return the provenance of a release whose shards all stand, with the texts that it froze."""
    texts = release.texts or {}
    entries = {entry["name"]: entry for entry in texts["sources"]}
    return Provenance(
        pile=PileRecord(
            name=build.pile,
            notes=texts["notes"],
            format_id=FORMAT_ID,
            rows_digest=release.list_digest or "",
            parameters=stored_parameters(release.parameters),
            session_limit=build.session_limit,
            sources=tuple(texts["sources"]),
            split=SplitFacts(**(release.split or {})),
            shards=tuple(_shard(shard) for shard in shards),
        ),
        sessions=tuple(_session(session, entries[session.source_version.name]) for session in sessions),
        missing=tuple(MissingRecord(**missing) for missing in release.missing or []),
    )


def _shard(shard: Shard) -> ShardRecord:
    return ShardRecord(
        name=shard.name,
        split=cast("Literal['train', 'test']", shard.split),
        bytes=shard.bytes or 0,
        sha256=shard.sha256 or "",
        rows=shard.n_rows,
        tokens=shard.tokens,
    )


def _session(session: Session, entry: Mapping[str, Any]) -> SessionRecord:
    version = entry.get("version")
    return SessionRecord(
        source=session.source_version.name,
        subject=session.subject_id or "",
        session=session.session_id,
        archive=session.source_version.archive,
        identifier=str(entry["identifier"]),
        version=None if version is None else str(version),
        assets=tuple(_asset(asset) for asset in session.assets),
        n_units=session.n_units or 0,
        n_bins=session.n_bins or 0,
        rows=len(session.rows),
        tokens=sum(row.tokens for row in session.rows),
        spikes=session.spikes or 0,
        clipped=session.clipped or 0,
        left_out=session.left_out or 0,
        estimated=True if entry["reader"] in ESTIMATING_READERS else None,
        chunk_sha256=session.chunk_sha256 or "",
    )


def _asset(asset: Asset) -> AssetRecord:
    """Describe an asset by what its archive published; a folder publishes nothing, so its bytes speak."""
    digests = dict(asset.digests) or ({"sha256": asset.sha256} if asset.sha256 else {})
    return AssetRecord(asset_id=asset.archive_asset_id, path=asset.path, size=asset.size, digests=digests)
