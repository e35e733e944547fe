"""The shipped rodent catalogue, an archive that holds all its sources, and the pile that is built of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from spikemill.services.common.catalog import Catalogue, load_catalogue
from tests.acceptance.builds import Place
from tests.acceptance.source_layouts.rodent_layouts import RODENT_LAYOUTS
from tests.acceptance.source_layouts.serving import ServedLayouts, served

RODENT = Path("rodent")


@pytest.fixture(scope="session")
def rodent() -> Catalogue:
    """Give the catalogue as it is shipped."""
    return load_catalogue(RODENT)


@pytest.fixture(scope="session")
def rodent_archive(rodent: Catalogue, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedLayouts]:
    """Serve the files of all its sources."""
    with served(RODENT_LAYOUTS, rodent, tmp_path_factory.mktemp("layouts")) as archive:
        yield archive


@pytest.fixture(scope="session")
def rodent_place(rodent_archive: ServedLayouts, open_folder: Path) -> Place:
    """Build all sources that are built where none is named, and give the place of the pile."""
    place = rodent_archive.place(open_folder / "rodent", RODENT)
    rodent_archive.server.forget_requests()
    place.must_build("--workers", "2")
    return place
