"""A folder of this machine for temporary files; what a dead process left in it is removed."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from spikemill.services.common.errors import StoreError
from spikemill.services.common.files import writing
from spikemill.services.common.settings import settings
from spikemill.services.common.types import FILE_NAME_DIGITS, digest

SCRATCH_REMEDY = "or name another folder in SPIKEMILL_SCRATCH, then retry"
_PRIVATE = 0o700


@dataclass(frozen=True, slots=True)
class Scratch:
    """The part of the scratch folder that belongs to one store."""

    root: Path

    @contextmanager
    def draft(self, owner: str) -> Iterator[Path]:
        """Give a folder of the owner's own, and remove it at the end.

        It is locked while its process lives; the next process removes folders without a lock.
        """
        folder = self._drafts / f"{owner}.{uuid4().hex[:8]}"
        with writing(folder, remedy=SCRATCH_REMEDY), self._alone():
            self._sweep()
            folder.mkdir()
            lock = _lock(folder)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)

    @property
    def arrivals(self) -> Path:
        """The folder for copies that are being downloaded; they outlive the process."""
        return self.root / "arrivals"

    @property
    def _drafts(self) -> Path:
        return self.root / "drafts"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep others from sweeping between the making of a folder and its lock."""
        self._drafts.mkdir(parents=True, exist_ok=True)
        lock = _lock(self.root, wait=True)
        try:
            yield
        finally:
            os.close(lock)

    def _sweep(self) -> None:
        for folder in self._drafts.iterdir():
            try:
                lock = _lock(folder)
            except (BlockingIOError, FileNotFoundError):
                continue
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def scratch_for(place: str) -> Scratch:
    """Return the scratch of a store: SPIKEMILL_SCRATCH, or a private folder among the temporary ones."""
    root = settings().scratch or _temporary()
    return Scratch(root / digest([place])[:FILE_NAME_DIGITS])


def _temporary() -> Path:
    folder = Path(tempfile.gettempdir()) / f"spikemill-{os.getuid()}"
    with writing(folder, remedy=SCRATCH_REMEDY):
        folder.mkdir(mode=_PRIVATE, exist_ok=True)
        if folder.stat().st_uid != os.getuid():
            raise StoreError(f"{folder} belongs to another user; name another folder in SPIKEMILL_SCRATCH.")
    return folder


def _lock(folder: Path, *, wait: bool = False) -> int:
    """Lock a folder until the descriptor is closed, by us or by the end of the process."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
