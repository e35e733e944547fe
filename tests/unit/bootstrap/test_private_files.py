"""Files that only their owner reads."""

import os
import stat
from pathlib import Path

from deploy.bootstrap.private_files import Owner, write_once, write_private, write_share

ME = Owner(os.getuid(), os.getgid())


def test_a_file_is_replaced_as_a_whole_and_stays_private(tmp_path: Path) -> None:
    path = tmp_path / "address"
    path.write_text("old and much longer")
    path.chmod(0o644)
    write_private(path, "new", ME)
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "password"
    assert write_once(path, "first", ME)
    assert not write_once(path, "second", ME)
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_call_left_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "password.new").write_text("half")
    assert write_once(tmp_path / "password", "whole", ME)
    assert [path.name for path in tmp_path.iterdir()] == ["password"]


def test_a_share_is_made_and_closed_to_others(tmp_path: Path) -> None:
    folder = tmp_path / "worker"
    write_share(folder, {"one": "1", "two": "2"}, ME)
    write_share(folder, {"two": "3"}, ME)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"one": "1", "two": "3"}
