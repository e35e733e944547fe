"""Files on this machine: digests, folders synced to disk, a full disk, and what travels with the package."""

import errno
import hashlib
import os
from importlib.resources import files
from pathlib import Path

from spikemill.services.common.errors import CallError

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What the system answers where a disk, or somebody's quota on it, is full."""
_CHECKOUT = Path(__file__).resolve().parents[2]


def sync_folder(folder: Path) -> None:
    """Return when the names in a folder lie on the disk, so that they outlast a crash."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file, of which every byte is read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def resource_folder(name: str) -> Path:
    """Return the folder `catalog` or `migrations`: inside the installed wheel, else at the checkout's top.

    Raises `CallError` where neither holds it.
    """
    candidates = (Path(str(files("spikemill"))) / name, _CHECKOUT / name)
    for folder in candidates:
        if folder.is_dir():
            return folder
    raise CallError(
        f"The folder {name!r} is missing from this installation ({candidates[0]}); install spikemill again."
    )
