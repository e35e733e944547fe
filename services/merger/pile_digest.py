"""One digest for a whole pile: equal piles have equal ones, wherever they stand."""

from hashlib import sha256
from pathlib import Path

from services.merger.audit import file_sha256


def pile_digest(pile: Path) -> str:
    """Return the sha256 over the lines `name sha256` of all files of a pile, sorted by name.

    Raises `DamagedOutputError` where a file cannot be read.
    """
    names = sorted(path.relative_to(pile).as_posix() for path in pile.rglob("*") if path.is_file())
    lines = "".join(f"{name} {file_sha256(pile / name)}\n" for name in names)
    return sha256(lines.encode("utf-8")).hexdigest()
