"""The program: one address for each folder, and a command beside the archive."""

import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from spikemill.services.common.errors import CallError
from standins.archive.__main__ import run_beside, served
from standins.archive.content import MadeUpArchive
from standins.wire.server import LOOPBACK

pytestmark = pytest.mark.slow


def port_of(url: str) -> int:
    """Return the port of an address."""
    return urlsplit(url).port or 0


def test_the_port_is_remembered(tmp_path: Path) -> None:
    with served(tmp_path, MadeUpArchive(), LOOPBACK, None) as first:
        address = first.url
    with served(tmp_path, MadeUpArchive(), LOOPBACK, None) as second:
        assert second.url == address


def test_where_the_port_is_taken_the_archive_moves_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(tmp_path, MadeUpArchive(), LOOPBACK, None) as server:
        taken = port_of(server.url)
    with socket.create_server((LOOPBACK, taken)):
        with served(tmp_path, MadeUpArchive(), LOOPBACK, None) as moved:
            now = port_of(moved.url)
            assert now != taken
        assert f"Port {taken} is taken by another program" in capsys.readouterr().err
        with pytest.raises(CallError), served(tmp_path, MadeUpArchive(), LOOPBACK, taken):
            pass
    with served(tmp_path, MadeUpArchive(), LOOPBACK, None) as again:
        assert port_of(again.url) == now


def test_a_folder_is_served_once(tmp_path: Path) -> None:
    with (
        served(tmp_path, MadeUpArchive(), LOOPBACK, None),
        pytest.raises(CallError, match="Another archive serves"),
        served(tmp_path, MadeUpArchive(), LOOPBACK, None),
    ):
        pass


@pytest.mark.parametrize(
    ("code", "status"), [("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 9)", 137)]
)
def test_a_command_is_told_the_address_and_its_status_is_returned(code: str, status: int) -> None:
    command = [sys.executable, "-c", f"import sys; assert sys.argv[1] == 'http://x'; {code}", "{url}"]
    assert run_beside("http://x", command) == status


def test_a_program_that_is_missing_is_named_in_one_line(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "standins.archive", "--folder", tmp_path, "--", "no-such-program"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "no-such-program" in ended.stderr
    assert "Traceback" not in ended.stderr
