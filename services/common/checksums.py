"""The sha256 of a file on this machine."""

import hashlib
from pathlib import Path


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file, of which every byte is read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
