"""The passwords of a deployment: drawn once, kept for ever."""

import os
import stat
from dataclasses import asdict
from pathlib import Path

import pytest

from deploy.bootstrap.private_files import Owner
from deploy.bootstrap.secret_files import PasswordError, Passwords

ME = Owner(os.getuid(), os.getgid())


def test_each_account_has_a_password_of_its_own_that_nobody_guesses(tmp_path: Path) -> None:
    passwords = asdict(Passwords.kept_in(tmp_path, ME))
    assert len(set(passwords.values())) == len(passwords) == 6
    assert all(len(password) >= 43 for password in passwords.values())


def test_they_are_drawn_once(tmp_path: Path) -> None:
    first = Passwords.kept_in(tmp_path, ME)
    assert Passwords.kept_in(tmp_path, ME) == first


def test_only_what_is_missing_is_drawn(tmp_path: Path) -> None:
    (tmp_path / "redis").write_text("chosen-by-me\n")
    passwords = Passwords.kept_in(tmp_path, ME)
    assert passwords.redis == "chosen-by-me"
    assert (tmp_path / "redis").read_text() == "chosen-by-me\n"


def test_only_the_owner_reads_them(tmp_path: Path) -> None:
    Passwords.kept_in(tmp_path, ME)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


@pytest.mark.parametrize("text", ["", "\n", "two words", "qu'ote", "a/b"])
def test_what_would_need_quotes_somewhere_is_refused_with_the_name_of_the_file(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / "ledger").write_text(text)
    with pytest.raises(PasswordError, match=r"^ledger: write a password"):
        Passwords.kept_in(tmp_path, ME)
