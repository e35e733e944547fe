"""A spool that is one folder, which downloaders and binners share."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.common.spool.base import Copy, gone


@dataclass(frozen=True, slots=True)
class SharedFolder:
    """A copy is read where it arrived."""

    root: Path

    def arrivals(self, identity: str) -> Path:
        """Return the folder of a session's copies."""
        return self.root / identity

    def hand_over(self, identity: str, copy: Path, *, sha256: str, size: int) -> str:
        """Return the copy's path: every binner sees it."""
        del identity, sha256, size
        return str(copy)

    def settle(self, copy: Path) -> None:
        """Leave the copy to the binner."""

    @contextmanager
    def opened(self, copies: Sequence[Copy]) -> Iterator[Sequence[Path]]:
        """Give the copies themselves."""
        for copy in copies:
            if not Path(copy.place).is_file():
                raise gone(copy)
        yield [Path(copy.place) for copy in copies]

    def sessions(self) -> Sequence[str]:
        """Return whose copies lie in the folder."""
        return sorted(path.name for path in self.root.iterdir()) if self.root.is_dir() else []

    def arriving(self) -> Sequence[str]:
        """Return none: the sweeper sees the folder too."""
        return []

    def remove(self, identity: str) -> None:
        """Remove the folder of a session's copies."""
        shutil.rmtree(self.arrivals(identity), ignore_errors=True)
