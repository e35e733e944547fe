"""Listings that were taken of DANDI, as files of an archive that lists them again.

A listing is gzipped JSON lines: an asset each, with its metadata, as the archive gave it.
"""

import gzip
import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

from standins.archive.content import ArchiveFile, Digests, ListedContent


def recorded_files(listing: Path) -> list[ArchiveFile]:
    """Return the assets of a listing; they have no content."""
    return [_file(item) for item in _items(listing)]


def recorded_on(listing: Path) -> date:
    """Return the day of the newest change in a listing: the archive was like this from then on."""
    return max(datetime.fromisoformat(item["modified"]).date() for item in _items(listing))


def _items(listing: Path) -> list[dict[str, Any]]:
    with gzip.open(listing, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _file(item: dict[str, Any]) -> ArchiveFile:
    metadata = item["metadata"]
    said = metadata["digest"]
    digests = Digests(md5="", sha256=said["dandi:sha2-256"], dandi_etag=said["dandi:dandi-etag"])
    return ArchiveFile(
        item["path"],
        ListedContent(item["size"], digests),
        variables=metadata["variableMeasured"],
        asset_id=item["asset_id"],
    )
