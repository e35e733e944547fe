"""From a catalogue's entry to the archive that holds it."""

from services.common.archives.base import Archive
from services.common.archives.figshare import FigshareArchive
from services.common.archives.files import FilesArchive
from services.common.catalogue import DandiSource, FigshareSource, FilesSource, Source
from services.common.pacing import RequestPacer, Unpaced


def open_archive(source: Source, pacer: RequestPacer | None = None) -> Archive:
    """Return the archive of a source whose `api` is frozen (`source.with_api`); nothing is asked yet."""
    pacer = pacer or Unpaced()
    match source:
        case FilesSource():
            return FilesArchive(source.folder)
        case FigshareSource(api=str(api)):
            return FigshareArchive(api, source.identifier, source.version, pacer)
        case DandiSource(api=str(api)):
            # Only the downloader's environment has the dandi client.
            from services.common.archives.dandi import DandiArchive  # noqa: PLC0415

            return DandiArchive(api, source.identifier, source.version, pacer)
    raise ValueError(f"The api of source {source.name} is not frozen; call with_api first.")
