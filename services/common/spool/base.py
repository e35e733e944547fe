"""What every spool can do, whether all workers share a folder or each has only its own machine."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from services.common.errors import DamagedOutputError


@dataclass(frozen=True, slots=True)
class Copy:
    """A verified copy as the ledger knows it: its path in the archive, where it lies, what it is."""

    path: str
    place: str
    sha256: str


class Spool(Protocol):
    """Holds the copies of each session in a folder that bears its identity."""

    def arrivals(self, identity: str) -> Path:
        """Return the folder of this machine in which a session's assets are copied and verified."""

    def hand_over(self, identity: str, copy: Path, *, sha256: str, size: int) -> str:
        """Let every binner have a verified copy, and return where it lies, for the ledger."""

    def settle(self, copy: Path) -> None:
        """Drop what is left on this machine of a copy that the ledger knows of."""

    def opened(self, copies: Sequence[Copy]) -> AbstractContextManager[Sequence[Path]]:
        """Give a session's copies as files of this machine while the block lasts.

        Raises `DamagedOutputError` where one is gone, `DamagedDownloadError` where it came otherwise.
        """

    def sessions(self) -> Sequence[str]:
        """Return whose copies lie in the spool, finished or not."""

    def arriving(self) -> Sequence[str]:
        """Return whose copies lie where only this machine can remove them."""

    def remove(self, identity: str) -> None:
        """Remove a session's copies; what is gone already is no error."""


def gone(copy: Copy) -> DamagedOutputError:
    """Return the error for a copy that is no more."""
    return DamagedOutputError(f"{copy.path} was there and is gone; retry fetches it again.")
