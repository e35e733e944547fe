"""The spool: where copies of assets are kept until their session is binned."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

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

_FOLDER = "spool"


@dataclass(frozen=True, slots=True)
class Copy:
    """A verified copy as the ledger knows it: its path in the archive, its place and its digest."""

    path: str
    place: str
    sha256: str


@dataclass(frozen=True, slots=True)
class SharedFolder:
    """A folder that every worker sees; a copy is read where it arrived."""

    root: Path

    def staging_dir(self, identity: str) -> Path:
        """Return the folder in which a session's assets are copied and verified."""
        return self.root / identity

    def publish(self, identity: str, copy: Path, *, sha256: str, size: int) -> str:
        """Return the copy's path: every binner sees it."""
        del identity, sha256, size
        return str(copy)

    def discard_local(self, copy: Path) -> None:
        """Leave the copy to the binner."""

    @contextmanager
    def opened(self, copies: Sequence[Copy]) -> Iterator[Sequence[Path]]:
        """Give the copies themselves; raises `DamagedOutputError` where one is gone."""
        yield [_local_file(copy) for copy in copies]

    def sessions(self) -> Sequence[str]:
        """Return the identities of the sessions whose copies are in the folder, finished or not."""
        return _names_in(self.root)

    def staged(self) -> Sequence[str]:
        """Return none: the sweeper sees the folder too."""
        return []

    def remove(self, identity: str) -> None:
        """Remove a session's copies; a missing one is ok."""
        shutil.rmtree(self.staging_dir(identity), ignore_errors=True)


@dataclass(frozen=True, slots=True)
class ThroughStore:
    """Copies are published in the store as `spool/<identity>/<name>`, after staging in the scratch folder."""

    store: Store
    scratch: Scratch

    def staging_dir(self, identity: str) -> Path:
        """Return this machine's folder for a session's copies; a partial copy waits there to be resumed."""
        return self.scratch.arrivals / identity

    def publish(self, identity: str, copy: Path, *, sha256: str, size: int) -> str:
        """Put a verified copy into the store unless it is there already; return its name, for the ledger."""
        name = f"{_FOLDER}/{identity}/{copy.name}"
        self.store.publish(copy, name, sha256=sha256, size=size)
        return name

    def discard_local(self, copy: Path) -> None:
        """Remove this machine's copy once the ledger has recorded it."""
        copy.unlink(missing_ok=True)

    @contextmanager
    def opened(self, copies: Sequence[Copy]) -> Iterator[Sequence[Path]]:
        """Download the copies while the block lasts; a file that is read in place is given itself.

        Raises `DamagedOutputError` where one is gone, `DamagedDownloadError` where its sha256 differs.
        """
        with ExitStack() as stack:
            yield [self._open(copy, stack) for copy in copies]

    def _open(self, copy: Copy, stack: ExitStack) -> Path:
        if Path(copy.place).is_absolute():
            return _local_file(copy)
        try:
            path = stack.enter_context(self.store.local(copy.place))
        except UnreadableFileError as error:
            raise _gone(copy) from error
        found = sha256_of(path)
        if found != copy.sha256:
            raise DamagedDownloadError(
                f"{copy.path}: its copy came out of the store with the sha256 {found}, not {copy.sha256}; "
                "it is read again."
            )
        return path

    def sessions(self) -> Sequence[str]:
        """Return the identities of the sessions with copies in the store or on this machine."""
        return sorted({*self.store.folders(_FOLDER), *self.staged()})

    def staged(self) -> Sequence[str]:
        """Return the identities of the sessions with copies that only this machine can remove."""
        return _names_in(self.scratch.arrivals)

    def remove(self, identity: str) -> None:
        """Remove a session's copies from the store and from this machine; a missing one is ok."""
        self.store.remove_folder(f"{_FOLDER}/{identity}")
        shutil.rmtree(self.staging_dir(identity), ignore_errors=True)


Spool = SharedFolder | ThroughStore
"""Holds the copies of each session in a folder named by its identity."""


def _local_file(copy: Copy) -> Path:
    path = Path(copy.place)
    if not path.is_file():
        raise _gone(copy)
    return path


def _gone(copy: Copy) -> DamagedOutputError:
    return DamagedOutputError(f"{copy.path} was there and is gone; retry fetches it again.")


def _names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def open_spool() -> Spool:
    """Return the spool of the settings; raises `CallError` where they name none."""
    spool = _find_spool()
    if spool is None:
        raise CallError("There is no spool: set SPIKEMILL_SPOOL to a folder that all workers share.")
    return spool


def _find_spool() -> Spool | None:
    """Return a part of an object store, else the folder that is named, if there is one."""
    if is_object_address(settings().store or ""):
        store = open_store()
        return ThroughStore(store, scratch_for(store.place))
    folder = settings().spool
    return None if folder is None else SharedFolder(folder)


def drop_copies(identity: str) -> None:
    """Remove a session's copies unless it has spool quota reserved; a missing one is ok."""
    # The session stays locked, so that it cannot be admitted while its old files go.
    with transaction() as ledger:
        if sessions.lock_idle_session(ledger, identity):
            open_spool().remove(identity)


def sweep_spool() -> None:
    """Remove the copies of sessions without spool quota: those done, dead, skipped or reset."""
    spool = _find_spool()
    for identity in () if spool is None else spool.sessions():
        drop_copies(identity)


def sweep_staging() -> None:
    """Remove unneeded copies that only this machine can: the sweeper may run on another one."""
    for identity in open_spool().staged():
        drop_copies(identity)
