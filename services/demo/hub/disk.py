"""Files that are there whole or not at all, whenever the hub is stopped."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from services.common.errors import CallError
from services.common.files import sync_folder

_PARTIAL = ".partial-"


@contextmanager
def held_folder(folder: Path) -> Iterator[None]:
    """Keep a folder for this process alone, and clear away what a killed one left unfinished.

    Raises `CallError` where another process has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CallError(f"Another hub serves {folder}; stop it, or choose another folder.") from error
        for partial in [*folder.rglob(f"{_PARTIAL}*")]:
            shutil.rmtree(partial)
        yield


@contextmanager
def partial_folder(folder: Path) -> Iterator[Path]:
    """Give a folder beside what is whole, which goes when the block ends or the hub begins anew."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=_PARTIAL, dir=folder) as aside:
        yield Path(aside)


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write; it takes its place when the block ends, and is gone where the block fails."""
    with partial_folder(path.parent) as aside:
        partial = aside / path.name
        with partial.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    sync_folder(path.parent)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, or nothing."""
    with written_whole(path) as file:
        file.write(content)
