"""Real builds: workers as processes, a Postgres, a broker and an archive that answers over HTTP."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from spikemill.services.cli.local.engine import running_engine
from spikemill.services.cli.local.home import Home
from spikemill.services.common.settings import settings
from standins.archive.content import MadeUpArchive
from standins.archive.server import serve
from tests.acceptance.builds import NewPlace, Place
from tests.acceptance.installations import Installation, install
from tests.acceptance.small_archives import VARIED_SOURCES, varied_archive, write_catalogue
from tests.harness.shared_runs import folder_of, made_once


@pytest.fixture(scope="session", autouse=True)
def _no_addresses() -> Iterator[None]:
    """Forget what the caller's environment says about a database and a broker."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("SPIKEMILL_DATABASE_URL", "SPIKEMILL_BROKER_URL", "SPIKEMILL_STORE", "SPIKEMILL_SPOOL"):
            patch.delenv(name, raising=False)
        settings.cache_clear()
        yield
    settings.cache_clear()


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of the made-up recordings, which every test adds to and none changes."""
    return tmp_path_factory.mktemp("recordings")


@pytest.fixture(scope="session")
def varied(recordings: Path) -> MadeUpArchive:
    """Give the archive that most tests build from."""
    return varied_archive(recordings)


@pytest.fixture(scope="session")
def empty_cluster(request: pytest.FixtureRequest) -> Path:
    """Give what Postgres begins with in a home; most tests copy it, for it takes a while to make."""

    def make() -> str:
        home = Home(folder_of(request.config) / "cluster")
        with running_engine(home):
            [cluster] = home.clusters()
        return str(cluster)

    return Path(made_once(request.config, "cluster", make))


@pytest.fixture(scope="session")
def new_place(open_folder: Path, empty_cluster: Path) -> Iterator[NewPlace]:
    """Give a function that makes a place: an empty home, and an archive on a port of its own."""
    with ExitStack() as stack:
        count = 0

        def make(
            archive: MadeUpArchive, *sources: dict[str, Any], environment: Mapping[str, str] | None = None
        ) -> Place:
            nonlocal count
            count += 1
            folder = open_folder / f"home-{count}"
            catalogue = write_catalogue(open_folder / f"catalogue-{count}.toml", *sources)
            server = stack.enter_context(serve(archive))
            home = Home(folder)
            home.create()
            # With its owner: Postgres takes no other's files.
            subprocess.run(["cp", "-a", empty_cluster, home.state], check=True)  # noqa: S607
            return Place(folder, catalogue, server, environment or {})

        yield make


@pytest.fixture
def varied_place(new_place: NewPlace, varied: MadeUpArchive) -> Place:
    """Give an empty home, and the varied archive on a port of its own."""
    return new_place(varied, *VARIED_SOURCES)


@pytest.fixture(scope="session")
def undisturbed(request: pytest.FixtureRequest, new_place: NewPlace, varied: MadeUpArchive) -> dict[str, str]:
    """Give the digests of the pile that one worker makes of the varied archive when nothing goes wrong."""

    def build() -> dict[str, str]:
        return new_place(varied, *VARIED_SOURCES).must_build("--workers", "1")

    return made_once(request.config, "undisturbed", build)


@pytest.fixture(scope="session")
def installation(open_folder: Path) -> Installation:
    """Give an environment that holds the wheel."""
    folder = open_folder / "installation"
    folder.mkdir()
    return install(folder)


@pytest.fixture(scope="session")
def demo_folder(open_folder: Path) -> Path:
    """Give a folder that holds nothing but the home of the demo."""
    folder = open_folder / "anywhere"
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def demo_run(installation: Installation, demo_folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the demo of the wheel once."""
    ended = installation.run("demo", "--home", "demo", folder=demo_folder)
    assert ended.returncode == 0, ended
    return ended


@pytest.fixture(scope="session")
def demo_home(demo_run: subprocess.CompletedProcess[str], demo_folder: Path) -> Home:
    """Give the home of the demo."""
    assert demo_run.returncode == 0
    return Home(demo_folder / "demo")
