"""What every store can do, whether it is a folder or a part of a bucket."""

from collections.abc import Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol
from uuid import UUID

from services.common.errors import DamagedOutputError

MARK = "ledger-id"
"""The file that names the ledger of a store."""


class UnreadableFileError(DamagedOutputError):
    """A file that the store should hold is gone or broken; `problem` says how."""

    def __init__(self, name: str, problem: str) -> None:
        """Say which file, and what is wrong with it."""
        super().__init__(f"{name} {problem}.")
        self.problem = problem


class Store(Hashable, Protocol):
    """Holds files under names with slashes; one counts only when the ledger names it.

    Whatever is asked may raise `StoreError`; what reads a file, `UnreadableFileError`.
    """

    @property
    def place(self) -> str:
        """Where it is, as people call it."""

    @property
    def connections(self) -> int:
        """How many files are best read at once."""

    @property
    def sweep_seconds(self) -> float:
        """How often it may be looked through for what nobody names any more."""

    def claim_for(self, ledger: UUID) -> None:
        """Mark an empty store as this ledger's; raise StoreError when it is another's."""

    def draft(self, owner: str) -> AbstractContextManager[Path]:
        """Give a folder of the owner's own to write in, and remove it at the end."""

    def drafts(self) -> Sequence[Path]:
        """Return the drafts of vanished and living owners, which only the ledger can tell apart."""

    def publish(self, local: Path, name: str, *, sha256: str, size: int) -> None:
        """Take a local file in under its name: visible only when it is whole and what its writer says."""

    def files(self, folder: str) -> Mapping[str, int]:
        """Return the size of every file below a folder, by its name in the store."""

    def folders(self, folder: str) -> Sequence[str]:
        """Return the names of the folders in a folder."""

    def state(self, name: str) -> Hashable:
        """Return what changes when a file is replaced or written to."""

    def digest(self, name: str) -> str:
        """Return the sha256 of a file's bytes."""

    def read(self, name: str, start: int, size: int) -> bytes:
        """Return the bytes of a file from `start` on: so many, or what there is."""

    def tail(self, name: str, size: int) -> bytes:
        """Return the last bytes of a file: so many, or what there is."""

    def local(self, name: str) -> AbstractContextManager[Path]:
        """Give a whole file of the store as one of this machine, to be read while the block lasts."""

    def remove(self, name: str) -> None:
        """Remove a file; what is gone already is no error."""

    def remove_folder(self, folder: str) -> None:
        """Remove every file below a folder; what is gone already is no error."""

    def switch_pile(self, release_digest: str) -> None:
        """Let the pile be this release, in one step."""

    def pile(self) -> str | None:
        """Return the digest of the release that the pile is, if there is one."""
