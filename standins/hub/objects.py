"""The contents of a repository's files, each under its sha256, which is checked when it is taken in."""

import fcntl
import hashlib
import os
import shutil
import struct
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from spikemill.services.common.errors import CallError
from spikemill.services.common.files import sync_folder
from standins.hub.refusals import refusal

_WRONG = "The bytes that came are not those that were announced; upload the file again."
_HEADER = 48
_RECORD = 48
_HASH = 32
_END = b"\xff" * _HASH
_VERIFIED = 1 << 31
_HAS_SHA256 = 1 << 30
_FOUR = struct.Struct("<4Q")
_NUMBERS = struct.Struct("<II")
_PARTIAL = ".partial-"


@dataclass(frozen=True, slots=True)
class Objects:
    """The contents in a folder; parts of large ones stand beside them until they are put together."""

    folder: Path

    def path(self, sha256: str) -> Path:
        """Return where a content stands, or would."""
        return self.folder / sha256[:2] / sha256

    def has(self, sha256: str, size: int) -> bool:
        """Tell whether a content is there."""
        path = self.path(sha256)
        return path.is_file() and path.stat().st_size == size

    def take(self, body: Iterator[bytes], sha256: str, size: int) -> None:
        """Take a content in; bytes of another sha256 or size are refused."""
        found = hashlib.sha256()
        came = 0
        with written_whole(self.path(sha256)) as file:
            for piece in body:
                file.write(piece)
                found.update(piece)
                came += len(piece)
            if (found.hexdigest(), came) != (sha256, size):
                raise refusal(400, _WRONG)

    def take_part(self, body: Iterator[bytes], sha256: str, number: int) -> str:
        """Take a part of a content in, and return its ETag."""
        found = hashlib.md5(usedforsecurity=False)
        with written_whole(self._parts(sha256) / str(number)) as file:
            for piece in body:
                file.write(piece)
                found.update(piece)
        return f'"{found.hexdigest()}"'

    def complete(self, sha256: str, size: int, etags: dict[int, str]) -> None:
        """Put the parts together; the same request again finds it done."""
        if self.has(sha256, size):
            return
        self._require_parts(sha256, etags)
        self.take(self._all_parts(sha256, sorted(etags)), sha256, size)
        shutil.rmtree(self._parts(sha256))

    def _parts(self, sha256: str) -> Path:
        return self.folder / "parts" / sha256

    def _require_parts(self, sha256: str, etags: dict[int, str]) -> None:
        for number, etag in etags.items():
            part = self._parts(sha256) / str(number)
            if not part.is_file() or etag != _etag(part):
                raise refusal(400, f"Part {number} is not here as it was told; upload the file again.")

    def _all_parts(self, sha256: str, numbers: list[int]) -> Iterator[bytes]:
        for number in numbers:
            with (self._parts(sha256) / str(number)).open("rb") as file:
                while piece := file.read(1 << 20):
                    yield piece


def _etag(path: Path) -> str:
    with path.open("rb") as file:
        return f'"{hashlib.file_digest(file, _md5).hexdigest()}"'


def _md5() -> "hashlib._Hash":
    return hashlib.md5(usedforsecurity=False)


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


@contextmanager
def held_folder(folder: Path) -> Iterator[None]:
    """Keep a folder for this process alone, and clear away what a killed one left unfinished.

    Raises `CallError` where another process has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CallError(f"Another hub serves {folder}; stop it, or choose another folder.") from error
        for partial in [*folder.rglob(f"{_PARTIAL}*")]:
            shutil.rmtree(partial)
        yield


@contextmanager
def partial_folder(folder: Path) -> Iterator[Path]:
    """Give a folder beside what is whole, which goes when the block ends or the hub begins anew."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=_PARTIAL, dir=folder) as aside:
        yield Path(aside)


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write; it takes its place when the block ends, and is gone where the block fails."""
    with partial_folder(path.parent) as aside:
        partial = aside / path.name
        with partial.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    sync_folder(path.parent)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, or nothing."""
    with written_whole(path) as file:
        file.write(content)
