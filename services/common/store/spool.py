"""The spool: where copies of assets lie until their session is binned."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from spikemill.services.common.database import transaction
from spikemill.services.common.errors import CallError, DamagedDownloadError, DamagedOutputError
from spikemill.services.common.files import sha256_of
from spikemill.services.common.ledger import sessions
from spikemill.services.common.settings import settings
from spikemill.services.common.store import (
    Scratch,
    Store,
    UnreadableFileError,
    is_object_address,
    open_store,
    scratch_for,
)

__all__ = ["Copy", "Spool", "drop_copies", "open_spool", "sweep_spool", "sweep_staging"]
_FOLDER = "spool"


@dataclass(frozen=True, slots=True)
class Copy:
    """A verified copy as the ledger knows it: its path in the archive, its place and its digest."""

    path: str
    place: str
    sha256: str


class Spool(Protocol):
    """Holds the copies of each session in a folder named by its identity."""

    def staging_dir(self, identity: str) -> Path:
        """Return the folder of this machine in which a session's assets are copied and verified."""

    def publish(self, identity: str, copy: Path, *, sha256: str, size: int) -> str:
        """Make a verified copy available to every binner; return its place, for the ledger."""

    def discard_local(self, copy: Path) -> None:
        """Drop what is left on this machine of a copy that the ledger knows of."""

    def opened(self, copies: Sequence[Copy]) -> AbstractContextManager[Sequence[Path]]:
        """Give a session's copies as files of this machine while the block lasts.

        Raises `DamagedOutputError` where one is gone, `DamagedDownloadError` where it came otherwise.
        """

    def sessions(self) -> Sequence[str]:
        """Return whose copies lie in the spool, finished or not."""

    def staged(self) -> Sequence[str]:
        """Return whose copies lie where only this machine can remove them."""

    def remove(self, identity: str) -> None:
        """Remove a session's copies; a missing one is ok."""


def open_spool() -> Spool:
    """Return the spool of the settings; raises `CallError` where they name none."""
    spool = find_spool()
    if spool is None:
        raise CallError("There is no spool: set SPIKEMILL_SPOOL to a folder that all workers share.")
    return spool


def find_spool() -> Spool | None:
    """Return the spool, if there is one: a part of an object store, else the folder that is named."""
    if is_object_address(settings().store or ""):
        store = open_store()
        return ThroughStore(store, scratch_for(store.place))
    folder = settings().spool
    return None if folder is None else SharedFolder(folder)


def gone(copy: Copy) -> DamagedOutputError:
    """Return the error for a copy that is no more."""
    return DamagedOutputError(f"{copy.path} was there and is gone; retry fetches it again.")


@dataclass(frozen=True, slots=True)
class SharedFolder:
    """A copy is read where it arrived."""

    root: Path

    def staging_dir(self, identity: str) -> Path:
        """Return the folder of a session's copies."""
        return self.root / identity

    def publish(self, identity: str, copy: Path, *, sha256: str, size: int) -> str:
        """Return the copy's path: every binner sees it."""
        del identity, sha256, size
        return str(copy)

    def discard_local(self, copy: Path) -> None:
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

    def staged(self) -> Sequence[str]:
        """Return none: the sweeper sees the folder too."""
        return []

    def remove(self, identity: str) -> None:
        """Remove the folder of a session's copies."""
        shutil.rmtree(self.staging_dir(identity), ignore_errors=True)


@dataclass(frozen=True, slots=True)
class ThroughStore:
    """Copies stand in the store as `spool/<identity>/<name>`; what arrives is made in the scratch folder."""

    store: Store
    scratch: Scratch

    def staging_dir(self, identity: str) -> Path:
        """Return the folder of this machine for a session's copies, where a broken one waits to go on."""
        return self._staging / identity

    def publish(self, identity: str, copy: Path, *, sha256: str, size: int) -> str:
        """Put a verified copy into the store; one that stands there already travels no second time."""
        name = f"{_FOLDER}/{identity}/{copy.name}"
        self.store.publish(copy, name, sha256=sha256, size=size)
        return name

    def discard_local(self, copy: Path) -> None:
        """Remove the copy of this machine."""
        copy.unlink(missing_ok=True)

    @contextmanager
    def opened(self, copies: Sequence[Copy]) -> Iterator[Sequence[Path]]:
        """Download the copies, each checked by its sha256; a file that is read in place is given itself."""
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
        return sorted({*self.store.folders(_FOLDER), *self.staged()})

    def staged(self) -> Sequence[str]:
        """Return whose copies are arriving on this machine, or were broken off here."""
        folder = self._staging
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def remove(self, identity: str) -> None:
        """Remove a session's copies from the store and from this machine."""
        self.store.remove_folder(f"{_FOLDER}/{identity}")
        shutil.rmtree(self.staging_dir(identity), ignore_errors=True)

    @property
    def _staging(self) -> Path:
        return self.scratch.arrivals


def _require_same(path: Path, copy: Copy) -> None:
    found = sha256_of(path)
    if found != copy.sha256:
        raise DamagedDownloadError(
            f"{copy.path}: its copy came out of the store with the sha256 {found}, not {copy.sha256}; "
            "it is read again."
        )


def drop_copies(identity: str) -> None:
    """Remove a session's copies, if it holds no room any more; a missing one is ok."""
    # The session stays locked, so that it cannot be admitted while its old files go.
    with transaction() as ledger:
        if sessions.lock_idle_session(ledger, identity):
            open_spool().remove(identity)


def sweep_spool() -> None:
    """Remove copies of sessions that hold no room: they are done, dead, skipped, or start again."""
    spool = find_spool()
    for identity in () if spool is None else spool.sessions():
        drop_copies(identity)


def sweep_staging() -> None:
    """Remove what only this machine can: the sweeper may run on another one."""
    for identity in open_spool().staged():
        drop_copies(identity)
