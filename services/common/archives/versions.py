"""What makes two source versions the same."""

from typing import Any

from services.common.archives.files import listing_fingerprint
from services.common.catalogue import FilesSource, Source


def version_facts(source: Source) -> dict[str, Any]:
    """Return everything that decides a source's bytes, but for the format id.

    No archive pins a folder's content, so the fingerprint of its listing stands in; it never leaves the
    ledger. Raises `CallError` where the folder is missing.
    """
    facts = source.facts()
    if isinstance(source, FilesSource):
        facts["listing"] = listing_fingerprint(source.folder, source.include, source.exclude)
    return facts
