"""Where a running engine is reached: what the supervisor leaves in its home for the other commands."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from services.cli.local.home import Home
from services.common.errors import CallError


@dataclass(frozen=True, slots=True)
class Address:
    """The addresses of one start of the engine; `boot` names that start and no other."""

    database_url: str = field(repr=False)
    broker_url: str = field(repr=False)
    pid: int
    boot: str

    def environment(self) -> dict[str, str]:
        """Return what a child needs in its environment to reach the engine."""
        return {
            "SPIKEMILL_DATABASE_URL": self.database_url,
            "SPIKEMILL_BROKER_URL": self.broker_url,
            "SPIKEMILL_BOOT": self.boot,
        }


def _path(home: Home) -> Path:
    """Return the file that holds the address."""
    return home.state / "address.json"


@contextmanager
def published(home: Home, address: Address) -> Iterator[None]:
    """Let other commands find the engine while the block runs; the caller holds the home's lock."""
    path = _path(home)
    aside = path.with_suffix(".new")
    aside.unlink(missing_ok=True)
    # The addresses may carry a password.
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(asdict(address), file)
    aside.replace(path)
    try:
        yield
    finally:
        forget_address(home)


def forget_address(home: Home) -> None:
    """Remove the address; after a kill it names an engine that is gone. The caller holds the home's lock."""
    _path(home).unlink(missing_ok=True)


def running_address(home: Home) -> Address | None:
    """Return the address of the engine that runs in this home, or None where none does."""
    if not home.in_use():
        return None
    try:
        return Address(**json.loads(_path(home).read_text()))
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise CallError(
            f"{home.path} is being built by another user: run as that user, or as root"
        ) from error
