"""What comes before a file is published, wherever to: it is looked at, and what the disk says is told."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.common.errors import StoreError
from services.common.folders import DISK_FULL


def require_whole(path: Path, name: object, *, sha256: str, size: int) -> None:
    """See that a file lies on the disk and is what its writer says, before it bears its name."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        found = os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest()
    if found != (size, sha256):
        raise not_whole(name)


def not_whole(name: object) -> StoreError:
    """Return the error for a file that is not what was written."""
    return StoreError(f"{name} did not reach the store whole; check the disk, then retry.")


@contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Tell what the disk refuses as a StoreError that says what to do."""
    try:
        yield
    except OSError as error:
        raise store_error(error, path) from error


def store_error(error: OSError, path: Path) -> StoreError:
    """Say which disk is full, or what else it refuses."""
    if error.errno in DISK_FULL:
        return StoreError(f"The disk of the store is full ({path.parent}); make room, then retry.")
    return StoreError(
        f"The store could not take {path}: {error.strerror}; see that its folder can be written, then retry."
    )
