"""Provenance of a small pile that never was, and ways to change it."""

from typing import Any

from spikemill.services.common.catalog.tables import MergeParameters
from spikemill.services.merger.plan import SplitFacts, SplitRule
from spikemill.services.merger.provenance import (
    AssetRecord,
    MissingRecord,
    PileRecord,
    Provenance,
    SessionRecord,
    ShardRecord,
)

DANDI: dict[str, Any] = {
    "name": "vcn",
    "archive": "dandi",
    "identifier": "000021",
    "version": "draft",
    "allow_draft": True,
    "include": ["**/*.nwb"],
    "species": "mouse",
    "license": "CC0-1.0",
    "redistributable": True,
    "citation": "none",
}
FILES: dict[str, Any] = {"name": "lab", "archive": "files", "identifier": "recordings", "bin_size": 0.01}


def session(name: str, **changes: Any) -> SessionRecord:
    """Describe a session of one asset."""
    asset = AssetRecord(asset_id=name, path=f"{name}.nwb", size=1, digests={"sha256": "0"})
    values: dict[str, Any] = {
        "source": "vcn",
        "subject": "sub-1",
        "session": name,
        "archive": "dandi",
        "identifier": "000021",
        "assets": (asset,),
        "n_units": 1,
        "n_bins": 1,
        "rows": 1,
        "tokens": 1,
        "spikes": 1,
        "clipped": 0,
        "left_out": 0,
        "chunk_sha256": "0",
    }
    return SessionRecord(**(values | changes))


def provenance(*sessions: SessionRecord, **changes: Any) -> Provenance:
    """Describe a pile of the sessions."""
    values: dict[str, Any] = {
        "name": "pile",
        "notes": "notes",
        "format_id": "one",
        "rows_digest": "0",
        "parameters": MergeParameters(seed=7, shard_bytes=99),
        "session_limit": 5,
        "sources": (DANDI, FILES),
        "split": SplitFacts(
            rule=SplitRule.NO_TEST,
            groups=1,
            test_groups=0,
            train_rows=1,
            test_rows=0,
            train_tokens=1,
            test_tokens=0,
        ),
        "shards": (
            ShardRecord(name="data/train.parquet", split="train", bytes=1, sha256="0", rows=1, tokens=1),
        ),
    }
    missing = MissingRecord(source="lab", path="bad.nwb", reason="skipped: noise")
    return Provenance(PileRecord(**(values | changes)), sessions or (session("a"),), (missing,))
