"""A store that is a folder: a file is written aside, checked, renamed."""

import errno
import os
import shutil
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import ClassVar
from uuid import UUID, uuid4

from spikemill.services.common.errors import StoreError
from spikemill.services.common.files import cannot_write, sha256_of, sync_folder, writing
from spikemill.services.common.store.base import (
    OWNER_FILE,
    UnreadableFileError,
    other_owner,
    require_whole,
)

_DRAFTS = ".drafts"
_GONE_OR_BROKEN = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EIO}


@dataclass(frozen=True, slots=True)
class FolderStore:
    """A folder that holds what the ledger names."""

    root: Path
    connections: ClassVar[int] = 1
    sweep_seconds: ClassVar[float] = 10.0

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        return str(self.root)

    def assert_owner(self, ledger: UUID) -> None:
        """Mark an empty store as this ledger's; raise StoreError when it is another's."""
        mark = self.root / OWNER_FILE
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            _write_new(mark, f"{ledger}\n")
        except FileExistsError:
            written = mark.read_text().strip()
            if written != str(ledger):
                raise other_owner(self.place, written, "folder") from None
        except OSError as error:
            raise cannot_write(mark, error) from error

    def path(self, name: str) -> Path:
        """Return where a published file can be read."""
        return self.root / name

    @contextmanager
    def draft(self, owner: str) -> Iterator[Path]:
        """Give a folder of the owner's own, in the same file system, and remove it at the end."""
        folder = self.root / _DRAFTS / f"{owner}.{uuid4().hex[:8]}"
        with writing(folder):
            folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def drafts(self) -> list[Path]:
        """Return the folders of all drafts, those of dead owners among them."""
        folder = self.root / _DRAFTS
        return sorted(folder.iterdir()) if folder.is_dir() else []

    def publish(self, local: Path, name: str, *, sha256: str, size: int) -> None:
        """Move a local file into the store under its name, checked and on disk before it is visible.

        Raises StoreError when the disk is full or the file has another digest or size.
        """
        final = self.path(name)
        with writing(final):
            final.parent.mkdir(parents=True, exist_ok=True)
            with _in_same_place(local, final) as aside:
                require_whole(aside, final, sha256=sha256, size=size)
                aside.replace(final)
            sync_folder(final.parent)

    def files(self, folder: str) -> Mapping[str, int]:
        """Return the size of every file below a folder, by its name; unpublished ones begin with a dot."""
        found = {}
        for parent, _, names in os.walk(self.path(folder)):
            for name in names:
                path = Path(parent, name)
                # What is listed may be gone a moment later.
                with suppress(FileNotFoundError):
                    found[path.relative_to(self.root).as_posix()] = path.stat().st_size
        return found

    def folders(self, folder: str) -> list[str]:
        """Return the names of the folders in a folder."""
        parent = self.path(folder)
        return sorted(path.name for path in parent.iterdir() if path.is_dir()) if parent.is_dir() else []

    def state(self, name: str) -> Hashable:
        """Return what changes when a file is replaced or written to."""
        with _reading(name):
            status = self.path(name).stat()
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns

    def digest(self, name: str) -> str:
        """Return the sha256 of a file, of which every byte is read."""
        with _reading(name):
            return sha256_of(self.path(name))

    def read(self, name: str, start: int, size: int) -> bytes:
        """Return up to `size` bytes of a file from `start` on."""
        with self._opened(name) as file:
            file.seek(start)
            return file.read(size)

    def tail(self, name: str, size: int) -> bytes:
        """Return the last bytes of a file, `size` of them at most."""
        with self._opened(name) as file:
            file.seek(max(0, file.seek(0, 2) - size))
            return file.read()

    @contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """Give the file itself."""
        yield self.path(name)

    def remove(self, name: str) -> None:
        """Remove a file; a missing one is ok."""
        self.path(name).unlink(missing_ok=True)

    def remove_folder(self, folder: str) -> None:
        """Remove a folder with all that it holds; a missing one is ok."""
        shutil.rmtree(self.path(folder), ignore_errors=True)

    def switch_pile(self, release_digest: str) -> None:
        """Make `pile` a link to this release, by one rename.

        Raises StoreError where that is not possible, as where there is a folder of this name.
        """
        link = self.root / "pile"
        aside = self.root / f".pile.{uuid4().hex[:8]}"
        with writing(link):
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

    @contextmanager
    def _opened(self, name: str) -> Iterator[BufferedReader]:
        with _reading(name), self.path(name).open("rb") as file:
            yield file


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
    """Give a file on the final one's file system to rename: the local one, or a copy."""
    if local.stat().st_dev == final.parent.stat().st_dev:
        yield local
        return
    aside = final.with_name(f".{final.name}.{uuid4().hex[:8]}")
    try:
        yield Path(shutil.copyfile(local, aside))
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Tell a missing or broken file from a disk that fails."""
    try:
        yield
    except OSError as error:
        if error.errno in _GONE_OR_BROKEN:
            raise UnreadableFileError(name, f"cannot be read ({error.strerror})") from error
        raise StoreError(f"{name} cannot be read: {error.strerror}. Is the store in order?") from error
