"""The archives: which one holds a source, and what makes two source versions the same."""

from typing import TYPE_CHECKING, Any

from spikemill.services.common.catalog import DandiSource, FigshareSource, FilesSource, Source
from spikemill.services.common.rate_limit import RequestPacer, Unpaced

if TYPE_CHECKING:
    from spikemill.services.common.archives.base import Archive


def open_archive(source: Source, pacer: RequestPacer | None = None) -> "Archive":
    """Return the archive of a source whose `api` is frozen (`source.with_api`); nothing is asked yet."""
    # Each brings its own client, and only the downloader's environment has all of them.
    pacer = pacer or Unpaced()
    match source:
        case FilesSource():
            from spikemill.services.common.archives.folder import FilesArchive  # noqa: PLC0415

            return FilesArchive(source.folder)
        case FigshareSource(api=str(api)):
            from spikemill.services.common.archives.figshare import FigshareArchive  # noqa: PLC0415

            return FigshareArchive(api, source.identifier, source.version, pacer)
        case DandiSource(api=str(api)):
            from spikemill.services.common.archives.dandi import DandiArchive  # noqa: PLC0415

            return DandiArchive(api, source.identifier, source.version, pacer)
    raise ValueError(f"The api of source {source.name} is not frozen; call with_api first.")


def version_facts(source: Source) -> dict[str, Any]:
    """Return everything that decides a source's bytes, but for the format id.

    No archive pins a folder's content, so the fingerprint of its listing stands in; it never leaves the
    ledger. Raises `CallError` where the folder is missing.
    """
    facts = source.facts()
    if isinstance(source, FilesSource):
        from spikemill.services.common.archives.folder import listing_fingerprint  # noqa: PLC0415

        facts["listing"] = listing_fingerprint(source.folder, source.include, source.exclude)
    return facts
