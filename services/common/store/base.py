"""What every store can do, how its address is read, and what is checked before a file is published."""

import hashlib
import os
import re
from collections.abc import Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit
from uuid import UUID

from spikemill.services.common.errors import CallError, DamagedOutputError, StoreError

OWNER_FILE = "ledger-id"
"""The file that names the ledger of a store."""
SCHEME = "s3://"
_FORM = re.compile(r"s3://(?P<bucket>[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9])(?:/(?P<prefix>.*))?")
_UNFIT = re.compile(r"[^\w.=/-]|(?:^|/)\.{0,2}(?:/|$)")


class UnreadableFileError(DamagedOutputError):
    """A file that the store should hold is gone or broken; `problem` says how."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name} {problem}.")
        self.problem = problem


class Store(Hashable, Protocol):
    """Holds files under names with slashes; one counts only when the ledger names it.

    Every method may raise `StoreError`; those that read a file, `UnreadableFileError`.
    """

    @property
    def place(self) -> str:
        """Where it is, for messages."""

    @property
    def connections(self) -> int:
        """How many files are best read at once."""

    @property
    def sweep_seconds(self) -> float:
        """The pause between two searches for files that the ledger no longer names."""

    def assert_owner(self, ledger: UUID) -> None:
        """Mark an empty store as this ledger's; raise StoreError when it is another's."""

    def draft(self, owner: str) -> AbstractContextManager[Path]:
        """Give a folder of the owner's own to write in, and remove it at the end."""

    def drafts(self) -> Sequence[Path]:
        """Return the drafts of dead and living owners, which only the ledger can tell apart."""

    def publish(self, local: Path, name: str, *, sha256: str, size: int) -> None:
        """Store a local file under its name: visible only when complete, with this digest and size."""

    def files(self, folder: str) -> Mapping[str, int]:
        """Return the size of every file below a folder, by its name in the store."""

    def folders(self, folder: str) -> Sequence[str]:
        """Return the names of the folders in a folder."""

    def state(self, name: str) -> Hashable:
        """Return what changes when a file is replaced or written to."""

    def digest(self, name: str) -> str:
        """Return the sha256 of a file's bytes."""

    def read(self, name: str, start: int, size: int) -> bytes:
        """Return up to `size` bytes of a file from `start` on."""

    def tail(self, name: str, size: int) -> bytes:
        """Return the last bytes of a file, `size` of them at most."""

    def local(self, name: str) -> AbstractContextManager[Path]:
        """Give a file of the store as a local file, to be read while the block lasts."""

    def remove(self, name: str) -> None:
        """Remove a file; a missing one is ok."""

    def remove_folder(self, folder: str) -> None:
        """Remove every file below a folder; a missing one is ok."""

    def switch_pile(self, release_digest: str) -> None:
        """Make this release the current pile, in one step."""

    def pile(self) -> str | None:
        """Return the digest of the release that is the current pile, if there is one."""


def require_whole(path: Path, name: object, *, sha256: str, size: int) -> None:
    """Sync a file and check its size and digest, before it gets its name."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        found = os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest()
    if found != (size, sha256):
        raise not_whole(name)


def other_owner(place: str, written: str, kind: str) -> StoreError:
    """Return the error for a store that another ledger has marked."""
    return StoreError(
        f"The store {place} belongs to another ledger ({written or 'unreadable'}); "
        f"name another {kind}, or remove it if its ledger is gone."
    )


def not_whole(name: object) -> StoreError:
    """Return the error for a stored file that differs from what was written."""
    return StoreError(f"{name} did not reach the store whole; check the disk, then retry.")


@dataclass(frozen=True, slots=True)
class ObjectAddress:
    """A part of a bucket: all keys that begin with the prefix, on the server `endpoint`, else on AWS."""

    bucket: str
    prefix: str
    endpoint: str | None = None

    def __str__(self) -> str:
        """Return the address as people write it."""
        return f"{SCHEME}{self.bucket}/{self.prefix}".removesuffix("/")

    @property
    def server(self) -> str:
        """The server, for messages."""
        return self.endpoint or "AWS"

    def key(self, name: str) -> str:
        """Return the key of a name in the store."""
        return f"{self.prefix}/{name}" if self.prefix else name

    def name(self, key: str) -> str:
        """Return the name of a key."""
        return key[len(self.key("")) :]


def is_object_address(text: str) -> bool:
    """Tell whether the text is an address of an object store, not a folder."""
    return text.startswith(SCHEME)


def parse_address(text: str, endpoint: str | None) -> ObjectAddress:
    """Parse `s3://bucket/prefix`; raises a `CallError` that repeats no password for anything else."""
    found = _FORM.fullmatch(text)
    prefix = "" if found is None else (found["prefix"] or "").removesuffix("/")
    if found is None or (prefix and _UNFIT.search(prefix)):
        raise CallError(
            "SPIKEMILL_STORE: write an object store as s3://bucket/prefix, in plain letters, digits, dots, "
            "dashes and underscores; credentials do not belong there."
        )
    return ObjectAddress(found["bucket"], prefix, None if endpoint is None else _server(endpoint))


def _server(endpoint: str) -> str:
    """Return the address of a server; one with credentials or a path is refused."""
    parts = urlsplit(endpoint)
    is_server = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    if not is_server or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise CallError(
            "SPIKEMILL_STORE_ENDPOINT: write the store's server as https://host:port; neither a path nor a "
            "password belongs there."
        )
    return f"{parts.scheme}://{parts.netloc}"
