"""The passwords of a deployment: each is drawn once, and never again."""

import re
import secrets
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

from services.secrets.private_files import Owner, write_once

_BYTES = 32
# What drawn ones are made of, and what needs no quotes in an address, in SQL and in Redis' configuration.
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")


class PasswordError(Exception):
    """A file of passwords holds something else."""


@dataclass(frozen=True, slots=True)
class Passwords:
    """One for each account, and a file for each in the folder of passwords.

    `postgres` is the superuser of the database, `ledger` owns the ledger in it, `reader` may look at it.
    `first` is the superuser's until Postgres first runs: its image puts that one into the environment.
    """

    first: str
    postgres: str
    ledger: str
    reader: str
    redis: str
    flower: str

    @classmethod
    def kept_in(cls, folder: Path, owner: Owner) -> Self:
        """Read the passwords, and draw those that are missing.

        Raises `PasswordError` where a file holds none.
        """
        return cls(**{field.name: _kept(folder / field.name, owner) for field in fields(cls)})


def _kept(path: Path, owner: Owner) -> str:
    """Return the password in a file, drawn now if there is no file."""
    write_once(path, f"{secrets.token_urlsafe(_BYTES)}\n", owner)
    password = path.read_text().strip()
    if not _PLAIN.fullmatch(password):
        raise PasswordError(
            f"{path.name}: write a password of letters, digits, - and _ there, or remove the file."
        )
    return password
