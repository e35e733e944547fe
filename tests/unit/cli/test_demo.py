"""What the demo builds from: a folder of made-up recordings, or an archive at an address."""

from http import HTTPStatus
from pathlib import Path

import pytest

from spikemill.services.cli.demo import demo_catalogue
from spikemill.services.cli.local.home import Home
from spikemill.services.cli.made_up import DEPOSIT, PROBES, VISUAL
from spikemill.services.common.archives import open_archive
from spikemill.services.common.errors import CallError, StoreError
from spikemill.services.common.http import web_client
from spikemill.services.common.settings import settings
from spikemill.services.downloader.selection import select_sessions
from standins.archive.content import MadeUpArchive
from standins.archive.server import serve

pytestmark = pytest.mark.slow


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Give a home."""
    return Home(tmp_path / "home")


def test_without_an_archive_the_recordings_lie_in_the_home(home: Home) -> None:
    catalogue = demo_catalogue(home, None)
    assert catalogue.pile.name == "demo"
    found = {}
    for source in catalogue.sources:
        sessions = select_sessions(open_archive(source).assets(), source)
        found[source.name] = [len(session.assets) for session in sessions]
        assert source.expect is not None
        assert source.expect.sessions == len(sessions)
        assert source.expect.subjects == len({session.subject_id for session in sessions})
    assert {name: sum(assets) for name, assets in found.items()} == {
        "demo-visual": len(VISUAL),
        "demo-probes": len(PROBES),
        "demo-deposit": len(DEPOSIT),
    }


def test_what_stands_in_the_home_is_kept(home: Home) -> None:
    demo_catalogue(home, None)
    files = {path: path.stat().st_mtime_ns for path in home.path.rglob("*.nwb")}
    demo_catalogue(home, None)
    assert files == {path: path.stat().st_mtime_ns for path in home.path.rglob("*.nwb")}


def test_a_folder_that_cannot_be_written_is_named(home: Home) -> None:
    home.create()
    (home.path / "recordings").write_text("")
    with pytest.raises(StoreError, match=r"recordings.* cannot be written: .*choose another folder"):
        demo_catalogue(home, None)


def test_an_archive_is_asked_past_every_proxy(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy", "SPIKEMILL_DANDI_API", "SPIKEMILL_FIGSHARE_API"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("SPIKEMILL_REQUESTS_PER_MINUTE", "1")
    with serve(MadeUpArchive()) as server:
        catalogue = demo_catalogue(home, f"{server.url}/")
        assert {source.archive for source in catalogue.sources} == {"dandi", "figshare"}
        assert settings().dandi_api == server.dandi_api
        assert settings().figshare_api == server.figshare_api
        with web_client() as client:
            assert client.get(f"{server.dandi_api}/info/").status_code == HTTPStatus.OK
    settings.cache_clear()


@pytest.mark.parametrize("address", ["", "127.0.0.1:8000", "ftp://127.0.0.1", "http://"])
def test_what_is_no_address_is_refused(home: Home, address: str) -> None:
    with pytest.raises(CallError, match="say the address"):
        demo_catalogue(home, address)
