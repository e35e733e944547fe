"""A spool in an object store: copies go up where they were fetched, and down where they are binned."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.common.checksums import sha256_of
from services.common.errors import DamagedDownloadError
from services.common.spool.base import Copy, gone
from services.common.storage import Scratch, Store, UnreadableFileError

_FOLDER = "spool"


@dataclass(frozen=True, slots=True)
class ThroughStore:
    """Copies stand in the store as `spool/<identity>/<name>`; what arrives is made in the scratch folder."""

    store: Store
    scratch: Scratch

    def arrivals(self, identity: str) -> Path:
        """Return the folder of this machine for a session's copies, where a broken one waits to go on."""
        return self._arrivals / identity

    def hand_over(self, identity: str, copy: Path, *, sha256: str, size: int) -> str:
        """Put a verified copy into the store; one that stands there already travels no second time."""
        name = f"{_FOLDER}/{identity}/{copy.name}"
        self.store.publish(copy, name, sha256=sha256, size=size)
        return name

    def settle(self, copy: Path) -> None:
        """Remove the copy of this machine."""
        copy.unlink(missing_ok=True)

    @contextmanager
    def opened(self, copies: Sequence[Copy]) -> Iterator[Sequence[Path]]:
        """Download the copies, each checked by its sha256; what is read where it lies is given itself."""
        with ExitStack() as stack:
            yield [self._open(copy, stack) for copy in copies]

    def _open(self, copy: Copy, stack: ExitStack) -> Path:
        if Path(copy.place).is_absolute():
            path = Path(copy.place)
            if not path.is_file():
                raise gone(copy)
            return path
        try:
            path = stack.enter_context(self.store.local(copy.place))
        except UnreadableFileError as error:
            raise gone(copy) from error
        _require_same(path, copy)
        return path

    def sessions(self) -> Sequence[str]:
        """Return whose copies lie in the store or are arriving on this machine."""
        return sorted({*self.store.folders(_FOLDER), *self.arriving()})

    def arriving(self) -> Sequence[str]:
        """Return whose copies are arriving on this machine, or were broken off here."""
        folder = self._arrivals
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def remove(self, identity: str) -> None:
        """Remove a session's copies from the store and from this machine."""
        self.store.remove_folder(f"{_FOLDER}/{identity}")
        shutil.rmtree(self.arrivals(identity), ignore_errors=True)

    @property
    def _arrivals(self) -> Path:
        return self.scratch.arrivals


def _require_same(path: Path, copy: Copy) -> None:
    found = sha256_of(path)
    if found != copy.sha256:
        raise DamagedDownloadError(
            f"{copy.path}: its copy came out of the store with the sha256 {found}, not {copy.sha256}; "
            "it is read again."
        )
