"""The Xet store of the hub: a folder that its clients write to themselves, without sending it to a server.

hf_xet has a store of this kind for its own tests. Its clients lay down blocks of content, and shards that
list which blocks make up which file; a shard also has the sha256 of the file, by which a commit names it.
"""

import shutil
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from services.demo.hub.disk import partial_folder

_HEADER = 48
_RECORD = 48
_HASH = 32
_END = b"\xff" * _HASH
_VERIFIED = 1 << 31
_HAS_SHA256 = 1 << 30
_FOUR = struct.Struct("<4Q")
_NUMBERS = struct.Struct("<II")


class XetStore:
    """Files that clients have put into the store, by their sha256."""

    def __init__(self, folder: Path) -> None:
        """Use a folder, which clients must be able to write under the same path."""
        self._folder = folder
        self._lock = threading.Lock()
        self._files: dict[tuple[str, int], str] = {}
        self._read: set[Path] = set()

    @property
    def address(self) -> str:
        """The address under which hf_xet finds it."""
        return f"local://{self._folder.absolute()}"

    @property
    def stored_bytes(self) -> int:
        """How many bytes of content the store holds: what it grew by is what a client sent."""
        return sum(block.stat().st_size for block in (self._blocks / "xorbs").glob("default.*[0-9a-f]"))

    def name_of(self, sha256: str, size: int) -> str | None:
        """Return the name that Xet has for a file, or None where it is not in the store."""
        with self._lock:
            for shard in set((self._blocks / "shards").glob("*.mdb")) - self._read:
                self._files.update(_listed_files(shard.read_bytes()))
                self._read.add(shard)
            return self._files.get((sha256, size))

    def content(self, sha256: str, size: int, span: range) -> "XetContent":
        """Return some bytes of a file."""
        return XetContent(self, sha256, size, span)

    def pieces(self, sha256: str, size: int, span: range) -> Iterator[bytes]:
        """Put a file together, a piece at a time.

        Whoever has opened the store has locked its index until it ends, so a copy of the index is opened.
        """
        import hf_xet  # noqa: PLC0415 - it writes logs as soon as it is there, and few hubs need it

        file = hf_xet.XetFileInfo(self.name_of(sha256, size), size)
        with partial_folder(self._folder) as view:
            blocks = view / "xet" / "xorbs"
            blocks.mkdir(parents=True)
            for name in ("shards", "xorbs"):
                (blocks / name).symlink_to((self._blocks / name).absolute())
            shutil.copy(self._blocks / "global_dedup_lookup.redb", blocks)
            store = f"local://{view.absolute()}"
            with hf_xet.XetSession().new_download_stream_group(endpoint=store) as group:
                yield from group.download_stream(file, start=span.start, end=span.stop)

    @property
    def _blocks(self) -> Path:
        return self._folder / "xet" / "xorbs"


@dataclass(frozen=True, slots=True)
class XetContent:
    """Some bytes of a file in the store."""

    store: XetStore
    sha256: str
    size: int
    span: range

    @property
    def length(self) -> int:
        """The number of bytes."""
        return len(self.span)

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes, a piece at a time."""
        return self.store.pieces(self.sha256, self.size, self.span)


def _listed_files(shard: bytes) -> Iterator[tuple[tuple[str, int], str]]:
    """Yield sha256, size and name of each file that a shard lists.

    All records have one length: a file's, those of its segments, those that verify them, that of its sha256.
    """
    place = _HEADER
    while shard[place : place + len(_END)] != _END:
        name = _text(shard, place)
        flags, segments = _NUMBERS.unpack_from(shard, place + _HASH)
        sizes = [_NUMBERS.unpack_from(shard, place + n * _RECORD + _HASH)[1] for n in range(1, segments + 1)]
        place += _RECORD * (1 + segments * (2 if flags & _VERIFIED else 1))
        if flags & _HAS_SHA256:
            yield (_text(shard, place), sum(sizes)), name
            place += _RECORD


def _text(shard: bytes, place: int) -> str:
    """Return a hash as Xet writes it: four numbers of 64 bits."""
    return "".join(f"{number:016x}" for number in _FOUR.unpack_from(shard, place))
