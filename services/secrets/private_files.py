"""Files that only their owner reads: they take their name when they are whole."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_PRIVATE = 0o600
_PRIVATE_FOLDER = 0o700
_ASIDE = ".new"


@dataclass(frozen=True, slots=True)
class Owner:
    """The user and the group that a file belongs to."""

    uid: int
    gid: int


def write_private(path: Path, text: str, owner: Owner) -> None:
    """Write a file in one step, whether it is there or not."""
    _write_aside(path, text, owner).replace(path)


def write_share(folder: Path, files: Mapping[str, str], owner: Owner) -> None:
    """Write files into a folder that only their owner enters; others that lie there stay."""
    os.chown(folder, owner.uid, owner.gid)
    folder.chmod(_PRIVATE_FOLDER)
    for name, text in files.items():
        write_private(folder / name, text, owner)


def write_once(path: Path, text: str, owner: Owner) -> bool:
    """Write a file that is not there, and tell whether it was; one that is there stays as it is."""
    aside = _write_aside(path, text, owner)
    try:
        path.hardlink_to(aside)
    except FileExistsError:
        return False
    finally:
        aside.unlink()
    return True


def _write_aside(path: Path, text: str, owner: Owner) -> Path:
    """Write the text beside its place; what a killed call left there goes."""
    aside = path.with_name(f"{path.name}{_ASIDE}")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "w") as file:
        os.fchown(file.fileno(), owner.uid, owner.gid)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return aside
