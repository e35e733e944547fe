"""Folders in the hands of the user that the services run as, and never out of a person's."""

import os
from collections.abc import Iterator
from pathlib import Path

from services.secrets.private_files import Owner

_ROOT = 0
_STORE_PARTS = ("chunks", "piles", "pile", ".drafts", "ledger-id")


class OwnershipError(Exception):
    """A folder belongs to a person who is not the one that the services run as."""


def owner_of(path: Path) -> Owner:
    """Return whom a file or folder belongs to."""
    status = path.lstat()
    return Owner(status.st_uid, status.st_gid)


def hand_over(folder: Path, owner: Owner) -> None:
    """Give a folder of ours, and all that lies in it, to the services' user."""
    if owner_of(folder) != owner:
        for path in _whole(folder):
            os.chown(path, owner.uid, owner.gid, follow_symlinks=False)


def hand_over_store(store: Path, owner: Owner, caller: Owner) -> None:
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
            hand_over(store / part, owner)


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
