"""The archive that serves the layouts, and what was asked of it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py

from spikemill.services.common.catalog import Catalogue, DandiSource, FigshareSource, Source
from standins.archive.content import ArchiveFile, Article, Dandiset, MadeUpArchive
from standins.archive.server import ArchiveServer, serve
from standins.archive.storage import blob_path, deposit_path
from standins.wire.messages import Entry
from tests.acceptance.builds import Place
from tests.acceptance.source_layouts.layouts import SourceLayout


@dataclass(frozen=True)
class Holding:
    """What the archive holds of one source: the files of its sessions, and those beside them."""

    source: Source
    layout: SourceLayout
    selected: tuple[ArchiveFile, ...]
    beside: tuple[ArchiveFile, ...]


def hold(layouts: Sequence[SourceLayout], catalogue: Catalogue, folder: Path) -> list[Holding]:
    """Write the files of these layouts into the folder, for the sources that the catalogue gives them."""
    sources = {source.name: source for source in catalogue.sources}
    return [
        Holding(sources[layout.name], layout, tuple(layout.selected(folder)), tuple(layout.left(folder)))
        for layout in layouts
    ]


def archive_of(holdings: Sequence[Holding]) -> MadeUpArchive:
    """Return an archive in which each identifier holds its sources under the versions of the catalogue."""
    dandisets: dict[str, Dandiset] = {}
    articles = []
    for holding in holdings:
        identifier, files = holding.layout.identifier, (*holding.selected, *holding.beside)
        if isinstance(holding.source, FigshareSource):
            articles.append(Article(int(identifier), holding.layout.name, {holding.source.version: files}))
        if isinstance(holding.source, DandiSource):
            dandiset = dandisets.setdefault(identifier, Dandiset(identifier, holding.layout.name, {}))
            dandiset.versions[holding.source.version] = files
    return MadeUpArchive(list(dandisets.values()), articles)


@dataclass(frozen=True)
class ServedLayouts:
    """The archive while it is served, and what it holds of each source."""

    server: ArchiveServer
    holdings: dict[str, Holding]

    def place(self, folder: Path, catalogue: Path) -> Place:
        """Return a home beside which commands ask this archive."""
        return Place(folder, catalogue, self.server)

    def requests_for(self, file: ArchiveFile) -> list[Entry]:
        """Return the requests for the content of a file."""
        return [
            entry for place in (blob_path, deposit_path) for entry in self.server.requests(f"^{place(file)}")
        ]

    def asked_beside(self) -> list[str]:
        """Return the paths of the files beside the sessions of which anything was asked."""
        beside = [file for holding in self.holdings.values() for file in holding.beside]
        return [
            file.path for file in beside if self.requests_for(file) or self.server.requests(file.asset_id)
        ]


@contextmanager
def served(layouts: Sequence[SourceLayout], catalogue: Catalogue, folder: Path) -> Iterator[ServedLayouts]:
    """Write the files of these layouts into the folder, and serve them as long as the context lasts."""
    holdings = hold(layouts, catalogue, folder)
    with serve(archive_of(holdings)) as server:
        yield ServedLayouts(server, {holding.layout.name: holding for holding in holdings})


def size_of(file: ArchiveFile, datasets: Sequence[str]) -> int:
    """Return how many bytes these datasets take in a file."""
    with h5py.File(file.content) as opened:
        return sum(opened[name].id.get_storage_size() for name in datasets)
