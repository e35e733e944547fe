"""Whether a file is what its archive listed: always by all of its bytes as they lie on the disk."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from dandischema.digests.dandietag import DandiETag

PREFERENCE = ("sha256", "dandi-etag", "md5")
"""The digests that can be checked, the best first."""


def checkable(listed: Mapping[str, str]) -> str | None:
    """Return the best algorithm among the listed digests that can be checked, else None."""
    return next((algorithm for algorithm in PREFERENCE if listed.get(algorithm)), None)


def digests_of(path: Path, algorithm: str | None) -> dict[str, str]:
    """Return the file's sha256, which is always recorded, and its digest by the given algorithm."""
    algorithms = {"sha256", algorithm or "sha256"}
    return {name: _COMPUTE[name](path) for name in sorted(algorithms)}


def _hashed_by(algorithm: str) -> Callable[[Path], str]:
    def compute(path: Path) -> str:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, algorithm).hexdigest()

    return compute


def _dandi_etag(path: Path) -> str:
    return DandiETag.from_file(path).as_str()


_COMPUTE: dict[str, Callable[[Path], str]] = {
    "sha256": _hashed_by("sha256"),
    "md5": _hashed_by("md5"),
    "dandi-etag": _dandi_etag,
}
