"""The files of a published pile: its shards, its card, its provenance, its pictures."""

import hashlib
import io
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Protocol

from huggingface_hub import CommitOperationAdd

from spikemill.services.common.errors import CallError, DamagedOutputError
from spikemill.services.common.hub_target import HubTarget
from spikemill.services.common.store import FolderStore, Store, UnreadableFileError
from spikemill.services.common.types import digest
from spikemill.services.merger.card import HubCard, render_card
from spikemill.services.merger.hub.repository import PileFile
from spikemill.services.merger.plots import draw, first_rasters, save_png
from spikemill.services.merger.provenance import (
    CARD,
    PROVENANCE,
    Provenance,
    ShardRecord,
    parse_provenance,
    sources_in_shards,
)

_SHADES = 16
"""Four bits a pixel: the noisiest raster stays below 60 kB."""
_FILE_NAME = re.compile("[a-z0-9][a-z0-9_-]{0,63}")


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


@dataclass(frozen=True, slots=True)
class SmallFile:
    """A small file, and where it stands in the repository."""

    path: str
    content: bytes

    @property
    def file(self) -> PileFile:
        """What it is, to be compared."""
        return PileFile(
            self.path, len(self.content), hashlib.sha256(self.content).hexdigest(), blob_id(self.content)
        )

    def addition(self) -> CommitOperationAdd:
        """Return what adds it to a commit; a buffer, for bytes would be sent by Xet where that is there."""
        return CommitOperationAdd(self.path, io.BytesIO(self.content))


def blob_id(content: bytes) -> str:
    """Return git's name for these bytes."""
    return hashlib.sha1(b"blob %d\0%b" % (len(content), content), usedforsecurity=False).hexdigest()


def small_files_of(pile: PileFiles, target: HubTarget) -> list[SmallFile]:
    """Return the card and the provenance of a pile that is published there.

    Raises `DamagedOutputError` where the provenance is no longer what it was.
    """
    with pile.local(PROVENANCE) as path:
        lines = path.read_bytes()
    if hashlib.sha256(lines).hexdigest() != pile.provenance_sha256:
        raise DamagedOutputError(
            f"{PROVENANCE} was changed while it was published; verify the pile, push again."
        )
    place = HubCard(target.repository, picture_paths(pile), target.revision)
    card = render_card(pile.provenance, pile.provenance_sha256, hub=place)
    return [SmallFile(CARD, card.encode("utf-8")), SmallFile(PROVENANCE, lines)]


def picture_paths(pile: PileFiles) -> Mapping[str, str]:
    """Return where the picture of each source stands in the repository; a source without rows has none."""
    names = sorted({session.source for session in pile.provenance.sessions if session.rows})
    return {name: f"pictures/{picture_name(name)}" for name in names}


def drawn_pictures(pile: PileFiles) -> list[SmallFile]:
    """Draw the pictures of a pile."""
    paths = picture_paths(pile)
    with tempfile.TemporaryDirectory(prefix="spikemill-pictures-") as folder:
        drawn = draw_pictures(pile, Path(folder))
        return [SmallFile(paths[source], drawn[source].read_bytes()) for source in paths]


def picture_name(source: str) -> str:
    """Return the name of a source's picture; a catalogue's own names are safe as names of files."""
    return f"{source if _FILE_NAME.fullmatch(source) else digest(source)[:20]}.png"


def draw_pictures(pile: PileFiles, folder: Path) -> Mapping[str, Path]:
    """Draw one row of each source into the folder; return the pictures by source.

    As few shards are read as hold a row of each source, each of them once. Raises `DamagedOutputError`
    where one of them cannot be read or holds other rows than the provenance says, `StoreError` where a
    picture cannot be written.
    """
    missing = _sources(pile.provenance)
    pictures: dict[str, Path] = {}
    for shard in _covering(pile.provenance):
        with pile.local(shard.name) as path:
            for source, raster in first_rasters(path, shard.name, missing).items():
                pictures[source] = folder / picture_name(source)
                picture = draw({source: [raster]}, columns=1)
                save_png(picture.quantize(_SHADES), pictures[source], optimize=True)
        missing -= pictures.keys()
    if missing:
        raise DamagedOutputError(
            f"No shard holds rows of {', '.join(sorted(missing))} where the provenance says so; run "
            "`spikemill verify` on the pile."
        )
    return pictures


def _sources(provenance: Provenance) -> set[str]:
    return {session.source for session in provenance.sessions if session.rows}


def _covering(provenance: Provenance) -> Iterator[ShardRecord]:
    """Yield shards that hold all sources between them, always the one with most that are missing next."""
    held = sources_in_shards(provenance)
    missing = _sources(provenance)
    while missing:
        best = max(held, key=lambda shard: len(held[shard] & missing), default=None)
        if best is None or not held[best] & missing:
            return
        yield best
        missing -= held[best]
