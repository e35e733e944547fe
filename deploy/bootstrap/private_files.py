"""Files that only their owner reads: they take their name when they are whole."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_PRIVATE = 0o600
_PRIVATE_FOLDER = 0o700
_ASIDE = ".new"
_ROOT = 0
_STORE_PARTS = ("chunks", "piles", "pile", ".drafts", "ledger-id")


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
    folder.mkdir(exist_ok=True)
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


class OwnershipError(Exception):
    """A folder belongs to a person who is not the one that the services run as."""


def owner_of(path: Path) -> Owner:
    """Return whom a file or folder belongs to."""
    status = path.lstat()
    return Owner(status.st_uid, status.st_gid)


def chown_tree(folder: Path, owner: Owner) -> None:
    """Give a folder of ours, and all that lies in it, to the services' user."""
    if owner_of(folder) != owner:
        for path in _whole(folder):
            os.chown(path, owner.uid, owner.gid, follow_symlinks=False)


def chown_store(store: Path, owner: Owner, caller: Owner) -> None:
    """Give the store to the services' user; what else lies in its folder stays as it is.

    Raises `OwnershipError` where it belongs to the caller, who is somebody else.
    """
    found = owner_of(store)
    if found.uid == owner.uid:
        return
    if found.uid == caller.uid != _ROOT:
        raise OwnershipError(
            f"The folder for the pile belongs to user {found.uid}, and the services run as user {owner.uid}. "
            f"{how_to_run_as(caller)}"
        )
    os.chown(store, owner.uid, owner.gid)
    for part in _STORE_PARTS:
        if os.path.lexists(store / part):
            chown_tree(store / part, owner)


def how_to_run_as(caller: Owner) -> str:
    """Say what the caller types so that the services run as the caller."""
    return (
        "In the checkout, type this, then start again:\n"
        f"  printf 'SPIKEMILL_UID=%s\\nSPIKEMILL_GID=%s\\n' {caller.uid} {caller.gid} >> .env"
    )


def _whole(folder: Path) -> Iterator[Path]:
    """Yield what lies in a folder, then the folder, so that a call that was killed begins again."""
    if folder.is_dir() and not folder.is_symlink():
        for inner in folder.iterdir():
            yield from _whole(inner)
    yield folder
