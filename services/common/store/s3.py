"""A store in a bucket: a file is written and checked on this machine, then put in one step."""

import hashlib
import json
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar
from uuid import UUID

from spikemill.services.common.files import sha256_of, writing
from spikemill.services.common.store.base import (
    OWNER_FILE,
    ObjectAddress,
    UnreadableFileError,
    not_whole,
    other_owner,
    require_whole,
)
from spikemill.services.common.store.bucket import CONNECTIONS, Bucket, Standing
from spikemill.services.common.store.scratch import SCRATCH_REMEDY, Scratch, scratch_for

_CURRENT = "CURRENT.json"
_MIB = 1 << 20
# Servers take up to 5 GiB in one request, and of one request they know the sha256 of the whole.
_ONE_REQUEST = 1024 * _MIB


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """What a bucket holds under a prefix, and the scratch folder of this machine."""

    address: ObjectAddress
    bucket: Bucket
    scratch: Scratch
    one_request: int = _ONE_REQUEST
    connections: ClassVar[int] = CONNECTIONS
    sweep_seconds: ClassVar[float] = 300.0

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        return str(self.address)

    def assert_owner(self, ledger: UUID) -> None:
        """Mark an empty store as this ledger's; raise StoreError when it is another's."""
        written = self._mark()
        if written is None:
            # What is read back decides, also where a server does not know conditions.
            mark = f"{ledger}\n".encode()
            digest = hashlib.sha256(mark).hexdigest()
            self.bucket.put(self.address.key(OWNER_FILE), mark, sha256=digest, replace=False)
            written = self._mark()
        if written != str(ledger):
            raise other_owner(self.place, written or "", "prefix")

    def _mark(self) -> str | None:
        written = self.bucket.get(self.address.key(OWNER_FILE))
        return None if written is None else written.decode(errors="replace").strip()

    @contextmanager
    def draft(self, owner: str) -> Iterator[Path]:
        """Give a folder of the owner's own on this machine, and remove it at the end."""
        with self.scratch.draft(owner) as folder:
            yield folder

    def drafts(self) -> list[Path]:
        """Return none: the scratch folder removes what a dead process left."""
        return []

    def publish(self, local: Path, name: str, *, sha256: str, size: int) -> None:
        """Put a file under its name and check that it arrived; the same object is not sent again.

        Raises StoreError when the file has another digest or size, or the server stores it incompletely.
        """
        final = f"{self.place}/{name}"
        with writing(local):
            require_whole(local, final, sha256=sha256, size=size)
            found = self._standing(name)
            if found is not None and (found.size, found.sha256) == (size, sha256):
                return
            self._put(local, name, sha256=sha256, size=size)
        found = self._standing(name)
        if found is None or found.size != size or found.sha256 not in (sha256, None):
            self.remove(name)
            raise not_whole(final)

    def _put(self, local: Path, name: str, *, sha256: str, size: int) -> None:
        key = self.address.key(name)
        if size > self.one_request:
            self.bucket.upload(local, key)
        else:
            with local.open("rb") as file:
                self.bucket.put(key, file, sha256=sha256)

    def files(self, folder: str) -> Mapping[str, int]:
        """Return the size of every file below a folder, by its name."""
        sizes = self.bucket.sizes(self._prefix(folder))
        return {self.address.name(key): size for key, size in sizes.items()}

    def folders(self, folder: str) -> list[str]:
        """Return the names of the folders in a folder, those of unfinished uploads among them."""
        prefix = self._prefix(folder)
        begun = {key[len(prefix) :].partition("/")[0] for key, _ in self.bucket.unfinished(prefix)}
        return sorted({*self.bucket.folders(prefix), *begun})

    def state(self, name: str) -> Hashable:
        """Return what changes when an object is replaced."""
        found = self._found(name)
        return found.etag, found.size

    def digest(self, name: str) -> str:
        """Return the sha256 that the server checked when the object came; where it kept none, read it."""
        found = self._found(name)
        if found.sha256 is not None:
            return found.sha256
        with self.local(name) as copy:
            return sha256_of(copy)

    def read(self, name: str, start: int, size: int) -> bytes:
        """Return up to `size` bytes of an object from `start` on."""
        return self._read(name, f"bytes={start}-{start + size - 1}") if size else b""

    def tail(self, name: str, size: int) -> bytes:
        """Return the last bytes of an object, `size` of them at most."""
        return self._read(name, f"bytes=-{size}")

    def _read(self, name: str, byte_range: str) -> bytes:
        content = self.bucket.get(self.address.key(name), byte_range)
        if content is None:
            raise _gone(name)
        return content

    @contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """Download an object into the scratch folder for as long as it is read."""
        with self.scratch.draft("read") as folder:
            copy = folder / PurePosixPath(name).name
            with writing(copy, remedy=SCRATCH_REMEDY):
                if not self.bucket.download(self.address.key(name), copy):
                    raise _gone(name)
            yield copy

    def remove(self, name: str) -> None:
        """Remove an object; a missing one is ok."""
        self.bucket.delete(self.address.key(name))

    def remove_folder(self, folder: str) -> None:
        """Remove every object below a folder, and the parts of unfinished uploads."""
        prefix = self._prefix(folder)
        for key, upload in self.bucket.unfinished(prefix):
            self.bucket.give_up(key, upload)
        for key in self.bucket.sizes(prefix):
            self.bucket.delete(key)

    def switch_pile(self, release_digest: str) -> None:
        """Make this release the current pile: one request replaces `CURRENT.json`."""
        current = json.dumps({"pile": f"piles/{release_digest}"}).encode() + b"\n"
        self.bucket.put(self.address.key(_CURRENT), current, sha256=hashlib.sha256(current).hexdigest())

    def pile(self) -> str | None:
        """Return the digest of the release that `CURRENT.json` names, if there is one."""
        current = self.bucket.get(self.address.key(_CURRENT))
        return None if current is None else PurePosixPath(json.loads(current)["pile"]).name

    def _prefix(self, folder: str) -> str:
        """Return the prefix of the keys below a folder; an empty name means the whole store."""
        return self.address.key(f"{folder.removesuffix('/')}/" if folder else "")

    def _standing(self, name: str) -> Standing | None:
        return self.bucket.head(self.address.key(name))

    def _found(self, name: str) -> Standing:
        found = self._standing(name)
        if found is None:
            raise _gone(name)
        return found


def connect_store(address: ObjectAddress) -> ObjectStore:
    """Return the store at an address, with the credentials and the scratch folder of the settings."""
    return ObjectStore(address, Bucket(address), scratch_for(str(address)))


def _gone(name: str) -> UnreadableFileError:
    return UnreadableFileError(name, "cannot be read (there is no such object)")
