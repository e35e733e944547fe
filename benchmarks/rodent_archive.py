"""A stand-in for the archives of `catalog/rodent.toml`: it lists what they hold and has no content.

Of 17 dandisets a listing was taken: a folder holds them as `<dandiset>.jsonl.gz`. Of the others the names are
known, or made up.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import rodent_names
from spikemill.services.common.catalog import Catalogue, DandiSource, FigshareSource, Source
from standins.archive.content import ArchiveFile, Article, Dandiset, MadeUpArchive
from standins.archive.recorded_listing import recorded_files

_NAMED: dict[str, Callable[[], Sequence[ArchiveFile]]] = {
    "vbn": rodent_names.vbn,
    "ibl": rodent_names.ibl,
    "oddball": rodent_names.oddball,
    "lemerre": rodent_names.lemerre,
    "prince": rodent_names.prince,
    "senzai": rodent_names.senzai,
    "grosmark": rodent_names.grosmark,
    "jaramillo": rodent_names.jaramillo,
    "steinmetz-2": rodent_names.steinmetz_2,
}


def rodent_archive(catalogue: Catalogue, listings: Path) -> MadeUpArchive:
    """Return an archive that lists every source of the catalogue."""
    dandisets: dict[str, dict[str, Sequence[ArchiveFile]]] = defaultdict(dict)
    articles = []
    for source in catalogue.sources:
        if isinstance(source, DandiSource):
            dandisets[source.identifier][source.version] = files_of(source, listings)
        elif isinstance(source, FigshareSource):
            versions = {source.version: files_of(source, listings)}
            articles.append(Article(int(source.identifier), source.name, versions))
    return MadeUpArchive(
        [Dandiset(number, "A dandiset", versions) for number, versions in dandisets.items()], articles
    )


def files_of(source: Source, listings: Path) -> Sequence[ArchiveFile]:
    """Return what the archive lists of a source: as it was taken, else as far as it is known."""
    named = _NAMED.get(source.name)
    return named() if named else recorded_files(listing_of(source, listings))


def listing_of(source: Source, listings: Path) -> Path:
    """Return where the listing of a source lies, if it was taken."""
    return listings / f"{source.identifier}.jsonl.gz"
