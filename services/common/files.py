"""Files on this machine: written whole or not at all, digests, and what travels with the package."""

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from uuid import uuid4

from spikemill.services.common.errors import CallError, StoreError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_CHECKOUT = Path(__file__).resolve().parents[2]


@contextmanager
def writing(path: Path, *, needs: str = "", remedy: str = "then retry") -> Iterator[None]:
    """Turn an `OSError` of the block, which writes to the path, into a `StoreError`.

    Its text says whether the disk or a quota is full, how much was needed (`needs`), and what to do.
    """
    try:
        yield
    except OSError as error:
        raise cannot_write(path, error, needs=needs, remedy=remedy) from error


def cannot_write(path: Path, error: OSError, *, needs: str = "", remedy: str = "then retry") -> StoreError:
    """Return the error for a path that cannot be written."""
    if error.errno in _FULL:
        wanted = f" ({needs})" if needs else ""
        return StoreError(f"{path} cannot be written: the disk is full{wanted}; make room there, {remedy}.")
    reason = error.strerror or str(error)
    return StoreError(f"{path} cannot be written: {reason}; see that its folder can be written, {remedy}.")


@contextmanager
def whole_or_none(path: Path) -> Iterator[None]:
    """Remove the file if the block that writes it fails."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Give a path beside this one; the file that the block writes there is synced and renamed to it."""
    aside = path.with_name(f".{path.name}.{uuid4().hex[:8]}")
    with whole_or_none(aside):
        yield aside
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        aside.replace(path)


def sync_folder(folder: Path) -> None:
    """Sync the names in a folder to the disk, so that they survive a crash."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file; every byte is read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def resource_folder(name: str) -> Path:
    """Return the folder `catalog` or `migrations`: in the installed wheel, else in the checkout.

    Raises `CallError` where it is in neither.
    """
    candidates = (Path(str(files("spikemill"))) / name, _CHECKOUT / name)
    for folder in candidates:
        if folder.is_dir():
            return folder
    raise CallError(
        f"The folder {name!r} is missing from this installation ({candidates[0]}); install spikemill again."
    )
