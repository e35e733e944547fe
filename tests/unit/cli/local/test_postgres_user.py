"""Who runs Postgres where spikemill is run by root."""

import os
import pwd
from pathlib import Path

import pytest

from spikemill.services.cli.local.home import Home
from spikemill.services.cli.local.postgres import PostgresUser, candidates, user_for, user_of
from spikemill.services.common.errors import CallError

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs Postgres as another user")


@pytest.fixture
def nobody() -> PostgresUser:
    entry = pwd.getpwnam("nobody")
    return PostgresUser(entry.pw_name, entry.pw_uid, entry.pw_gid)


def test_root_and_strangers_are_no_plain_users() -> None:
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    assert user_of(0) is None
    assert user_of(next(uid for uid in range(60_000, 65_000) if uid not in taken)) is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root needs another user")
def test_a_plain_user_runs_postgres_itself(home: Home) -> None:
    assert user_for(home) is None


@ROOT_ONLY
def test_the_homes_owner_comes_first_then_who_called_sudo(
    home: Home, nobody: PostgresUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = pwd.getpwnam("daemon")
    os.chown(home.path, nobody.uid, nobody.gid)
    monkeypatch.setenv("SUDO_UID", str(daemon.pw_uid))
    assert [user.name for user in candidates(home)][:2] == ["nobody", "daemon"]


@ROOT_ONLY
def test_the_owner_of_the_ledger_goes_on_with_it(home: Home, nobody: PostgresUser) -> None:
    cluster = home.state / "postgres-18"
    cluster.mkdir()
    os.chown(cluster, nobody.uid, nobody.gid)
    assert user_for(home) == nobody


@ROOT_ONLY
def test_a_closed_folder_on_the_way_is_named(open_folder: Path, nobody: PostgresUser) -> None:
    closed = open_folder / "my lab's"
    inner = Home(closed / "home")
    inner.create()
    closed.chmod(0o700)
    assert nobody.first_closed(inner.path) == closed
    with pytest.raises(CallError, match=rf"may not enter {closed}: .*--home.*SPIKEMILL_DATABASE_URL"):
        user_for(inner)


@ROOT_ONLY
def test_an_open_folder_is_reached(home: Home, nobody: PostgresUser) -> None:
    assert nobody.first_closed(home.path) is None
    assert user_for(home) is not None
