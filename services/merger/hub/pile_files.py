"""A pile to be published, wherever it stands: in a folder of this machine, or in a store."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Protocol

from services.common.errors import CallError
from services.common.storage import FolderStore, Store, UnreadableFileError
from services.merger.pile_layout import PROVENANCE
from services.merger.provenance import Provenance, parse_provenance


class PileFiles(Protocol):
    """What a pile is made of, and its files."""

    @property
    def provenance(self) -> Provenance:
        """What it was made of, and how."""

    @property
    def provenance_sha256(self) -> str:
        """What names it: equal piles have equal provenances."""

    def local(self, name: str) -> AbstractContextManager[Path]:
        """Give one of its files as a file of this machine, for as long as the block lasts."""


@dataclass(frozen=True)
class StoredPile:
    """A pile in a folder of a store, as `piles/<digest>`."""

    store: Store
    folder: str

    @cached_property
    def provenance(self) -> Provenance:
        """What it was made of, and how; raises `DamagedOutputError` where that cannot be read."""
        return parse_provenance(self._lines)

    @cached_property
    def provenance_sha256(self) -> str:
        """What names it."""
        return sha256(self._lines).hexdigest()

    @cached_property
    def _lines(self) -> bytes:
        with self.local(PROVENANCE) as path:
            return path.read_bytes()

    @contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """Give one of its files; raises `UnreadableFileError` where it is gone."""
        with self.store.local(str(PurePosixPath(self.folder, name))) as path:
            if not path.is_file():
                raise UnreadableFileError(str(path), "is gone, or no file")
            yield path


def pile_in_folder(folder: Path) -> StoredPile:
    """Return the pile of a folder; raises `CallError` where there is none."""
    if not (folder / PROVENANCE).is_file():
        raise CallError(f"{folder} holds no pile; name the folder of one, the one that holds {PROVENANCE}.")
    return StoredPile(FolderStore(folder), ".")
