"""The demo's archive is found at the same address each time."""

import socket
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from services.cli.demo_archive import served_archive
from services.cli.local.home import Home
from services.common.errors import CallError
from services.common.http import web_client
from services.demo.archive import MadeUpArchive


@pytest.fixture(autouse=True)
def _empty_archive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Serve nothing: the recordings are tested where they are made."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")
    monkeypatch.setattr("services.cli.demo_archive.demo_archive", lambda _folder: MadeUpArchive())


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Give a home."""
    return Home(tmp_path / "home")


def port_of(url: str) -> int:
    """Return the port of an address."""
    return urlsplit(url).port or 0


def test_the_port_is_remembered(home: Home) -> None:
    with served_archive(home) as first:
        address = first.url
        assert not home.in_use()
    with served_archive(home) as second:
        assert second.url == address


def test_where_the_port_is_taken_the_archive_moves_and_says_so(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    with served_archive(home) as server:
        taken = port_of(server.url)
    with socket.create_server(("127.0.0.1", taken)):
        with served_archive(home) as moved:
            now = port_of(moved.url)
            assert now != taken
        assert f"Port {taken} is taken by another program" in capsys.readouterr().err
    with served_archive(home) as again:
        assert port_of(again.url) == now


def test_a_proxy_is_passed_by(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with served_archive(home) as server, web_client() as client:
        assert client.get(f"{server.dandi_api}/info/").status_code == HTTPStatus.OK


def test_beside_a_build_in_this_home_nothing_is_served(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.cli.demo_archive._PATIENCE", 0.0)
    home.create()
    with (
        home.locked(),
        pytest.raises(CallError, match="is in use by another spikemill"),
        served_archive(home),
    ):
        pass
    assert not (home.state / "demo-port").exists()
