"""The ledger's Postgres, started for real: crashes, half-made clusters, closed homes."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from spikemill.services.cli.local.broker import socket_folder
from spikemill.services.cli.local.home import Home
from spikemill.services.cli.local.postgres import running_postgres, user_for
from spikemill.services.cli.local.supervisor import Interrupts, Supervisor
from spikemill.services.common.errors import CallError

pytestmark = pytest.mark.slow

Eventually = Callable[[Callable[[], bool]], None]


@contextmanager
def postgres(home: Home) -> Iterator[str]:
    """Run the home's Postgres."""
    user = user_for(home)
    with (
        socket_folder(home, user) as sockets,
        running_postgres(home, sockets, user, Supervisor("b1", Interrupts())) as url,
    ):
        yield url


def setting(url: str, name: str) -> str:
    """Ask the server for one of its settings."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
    assert row is not None
    return str(row[0])


def answers(url: str) -> bool:
    """Tell whether the server takes connections."""
    try:
        with psycopg.connect(url):
            return True
    except psycopg.OperationalError:
        return False


def server_process(home: Home) -> int:
    """Return the process of the server."""
    (cluster,) = home.clusters()
    return int((cluster / "postmaster.pid").read_text().splitlines()[0])


def test_it_listens_on_a_private_socket_only_and_keeps_its_word(home: Home) -> None:
    with postgres(home) as url:
        assert setting(url, "listen_addresses") == ""
        assert setting(url, "fsync") == setting(url, "synchronous_commit") == "on"
        (folder,) = {Path(setting(url, "unix_socket_directories"))}
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not folder.exists()


def test_what_was_committed_survives_a_kill_and_a_restart(
    home: Home, eventually: Eventually, processes_of: Callable[[], list[str]]
) -> None:
    with postgres(home) as url:
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE sessions (name text)")
            connection.execute("INSERT INTO sessions VALUES ('ses-1')")
        killed = server_process(home)
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: answers(url) and server_process(home) != killed)
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT name FROM sessions").fetchall() == [("ses-1",)]
    eventually(lambda: processes_of() == [])
    with postgres(home) as url, psycopg.connect(url) as connection:
        assert connection.execute("SELECT name FROM sessions").fetchall() == [("ses-1",)]


def test_half_a_cluster_is_made_again(home: Home) -> None:
    with postgres(home):
        pass
    (cluster,) = home.clusters()
    half = cluster.rename(cluster.with_name(f"{cluster.name}.new"))
    (half / "PG_VERSION").unlink()
    with postgres(home) as url:
        assert answers(url)
    assert home.clusters() == [cluster]
    assert not half.exists()


def test_the_callers_own_postgres_settings_do_not_lead_it_astray(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGDATA", "/nowhere")
    with postgres(home) as url:
        assert answers(url)


def test_the_sockets_of_a_killed_supervisor_are_removed(home: Home) -> None:
    with socket_folder(home, None) as left:
        leftover = left.with_name(f"{left.name}x")
        leftover.mkdir()
    (home.state / "sockets").symlink_to(leftover)
    with socket_folder(home, None):
        assert not leftover.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="a plain user may enter its own closed folder")
def test_a_home_in_a_closed_folder_is_refused_in_one_sentence(open_folder: Path) -> None:
    open_folder.chmod(0o700)
    home = Home(open_folder / "home")
    home.create()
    with pytest.raises(CallError, match=rf"may not enter {open_folder}: ") as refusal, postgres(home):
        pass
    assert "\n" not in str(refusal.value)
    assert home.clusters() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="a plain user may enter its own closed folder")
def test_the_state_of_a_careful_root_is_opened_for_passage(open_folder: Path) -> None:
    home = Home(open_folder)
    umask = os.umask(0o077)
    try:
        home.create()
        with postgres(home) as url:
            assert answers(url)
    finally:
        os.umask(umask)
