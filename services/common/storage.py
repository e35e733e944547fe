"""The store, where chunks and piles stand: one way in, `publish`, and nothing above it knows a rename."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

from services.common.errors import CallError, StoreError
from services.common.folders import DISK_FULL, sync_folder
from services.common.settings import settings

_MARK = "ledger-id"
_DRAFTS = ".drafts"


@dataclass(frozen=True, slots=True)
class Store:
    """A folder that holds what the ledger names; a file counts only when the ledger names it."""

    root: Path

    def claim_for(self, ledger: UUID) -> None:
        """Mark an empty store as this ledger's; raise StoreError when it is another's."""
        mark = self.root / _MARK
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            _write_new(mark, f"{ledger}\n")
        except FileExistsError:
            written = mark.read_text().strip()
            if written != str(ledger):
                raise StoreError(
                    f"The store {self.root} belongs to another ledger ({written or 'unreadable'}); "
                    f"name another folder, or remove it if its ledger is gone."
                ) from None
        except OSError as error:
            raise _store_error(error, mark) from error

    def path(self, name: str) -> Path:
        """Return where a published file can be read."""
        return self.root / name

    def size(self, name: str) -> int | None:
        """Return the size of a published file, or None where there is none."""
        try:
            return self.path(name).stat().st_size
        except FileNotFoundError:
            return None

    @contextmanager
    def draft(self, owner: str) -> Iterator[Path]:
        """Give a folder of the owner's own, in the same file system, and remove it at the end."""
        folder = self.root / _DRAFTS / f"{owner}.{uuid4().hex[:8]}"
        with store_errors(folder):
            folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def drafts(self) -> list[Path]:
        """Return the folders of drafts that stand, those of vanished owners among them."""
        folder = self.root / _DRAFTS
        return sorted(folder.iterdir()) if folder.is_dir() else []

    def publish(self, local: Path, name: str, *, sha256: str, size: int) -> None:
        """Move a local file into the store under its name, checked and on disk before it is visible.

        Raises StoreError when the disk is full or the file is not what its writer says.
        """
        final = self.path(name)
        with store_errors(final):
            final.parent.mkdir(parents=True, exist_ok=True)
            with _in_same_place(local, final) as aside:
                _require(aside, final, sha256=sha256, size=size)
                aside.replace(final)
            sync_folder(final.parent)

    def switch_pile(self, release_digest: str) -> None:
        """Let `pile` be this release: the link is swapped by one rename.

        Raises StoreError where that cannot be, as where a folder of this name stands.
        """
        link = self.root / "pile"
        aside = self.root / f".pile.{uuid4().hex[:8]}"
        with store_errors(link):
            aside.symlink_to(Path("piles") / release_digest)
            try:
                aside.replace(link)
            finally:
                aside.unlink(missing_ok=True)
            sync_folder(self.root)

    def pile(self) -> str | None:
        """Return the digest of the release that `pile` leads to, if it leads anywhere."""
        link = self.root / "pile"
        return link.readlink().name if link.is_symlink() else None

    def remove(self, name: str) -> None:
        """Remove a file; what is gone already is no error."""
        self.path(name).unlink(missing_ok=True)


def open_store() -> Store:
    """Return the store of this process's settings."""
    folder = settings().store
    if folder is None:
        raise CallError("There is no store: set SPIKEMILL_STORE to a folder that all workers share.")
    return Store(Path(folder))


def _write_new(path: Path, text: str) -> None:
    """Let a file appear whole or not at all; raise FileExistsError rather than replace one."""
    aside = path.with_name(f".{path.name}.{uuid4().hex[:8]}")
    try:
        aside.write_text(text)
        path.hardlink_to(aside)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def _in_same_place(local: Path, final: Path) -> Iterator[Path]:
    """Give a file of the final one's file system to rename: the local one, or a copy beside the final one."""
    if local.stat().st_dev == final.parent.stat().st_dev:
        yield local
        return
    aside = final.with_name(f".{final.name}.{uuid4().hex[:8]}")
    try:
        yield Path(shutil.copyfile(local, aside))
    finally:
        aside.unlink(missing_ok=True)


def _require(path: Path, final: Path, *, sha256: str, size: int) -> None:
    """See that the whole file is on the disk, before it bears its name."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        found = os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest()
    if found != (size, sha256):
        raise StoreError(f"{final} did not reach the store whole; check the disk, then retry.")


@contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Tell what the disk refuses as a StoreError that says what to do."""
    try:
        yield
    except OSError as error:
        raise _store_error(error, path) from error


def _store_error(error: OSError, path: Path) -> StoreError:
    if error.errno in DISK_FULL:
        return StoreError(f"The disk of the store is full ({path.parent}); make room, then retry.")
    return StoreError(
        f"The store could not take {path}: {error.strerror}; see that its folder can be written, then retry."
    )
