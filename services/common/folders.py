"""Folders as the disk keeps them, and the disk that is full."""

import errno
import os
from pathlib import Path

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What the system answers where a disk, or somebody's quota on it, is full."""


def sync_folder(folder: Path) -> None:
    """Return when the names in a folder lie on the disk, so that they outlast a crash."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
