"""Listings that were taken, listed again."""

import gzip
import json
from datetime import date
from pathlib import Path
from typing import Any

from standins.archive.recorded_listing import recorded_files, recorded_on


def item(path: str, *variables: str, modified: str) -> dict[str, Any]:
    """Return an asset as a listing has it."""
    digest = {"dandi:dandi-etag": f"{path}-1", "dandi:sha2-256": path * 2}
    metadata = {"digest": digest, "variableMeasured": variables}
    return {
        "asset_id": f"id-{path}",
        "path": path,
        "size": 2**40,
        "modified": modified,
        "metadata": metadata,
    }


def test_a_listing_gives_files_with_all_that_it_says_of_them(tmp_path: Path) -> None:
    items = [
        item("a", "Units", "LFP", modified="2021-08-05T18:46:47.085874+00:00"),
        item("b", modified="2021-08-19T00:00:00Z"),
    ]
    listing = tmp_path / "000001.jsonl.gz"
    listing.write_bytes(gzip.compress("\n".join(map(json.dumps, items)).encode()))
    first, second = recorded_files(listing)
    assert (first.asset_id, first.path, first.size) == ("id-a", "a", 2**40)
    assert (first.digests.sha256, first.digests.dandi_etag) == ("aa", "a-1")
    assert (list(first.variables), list(second.variables)) == (["Units", "LFP"], [])
    assert recorded_on(listing) == date(2021, 8, 19)
