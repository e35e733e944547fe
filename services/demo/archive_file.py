"""A file of a made-up archive: where it stands, what is in it, and what the archive says of it."""

import hashlib
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, Literal

from dandischema.digests.dandietag import DandiETag

from services.demo.fixed_ids import fixed_uuid


@dataclass(frozen=True, slots=True)
class Digests:
    """The hex digests of a file."""

    md5: str
    sha256: str
    dandi_etag: str


@dataclass(frozen=True, slots=True)
class ListedContent:
    """Content of which only size and digests are known: its file can be listed, not read."""

    size: int
    digests: Digests


@dataclass
class ArchiveFile:
    """A file in an archive; its content is a path on this machine, the bytes themselves, or only listed.

    `announced` replaces digests in what the archive says of the file, and `withheld` leaves some out; both
    name them as the archives do (`dandi:sha2-256`, `dandi:dandi-etag`, `supplied_md5`, `computed_md5`).
    `asset_id` is made from path and content where none is given.
    """

    path: str
    content: Path | bytes | ListedContent
    variables: Sequence[str] = ("Units",)
    kind: Literal["blob", "zarr", "link"] = "blob"
    announced: Mapping[str, str] = field(default_factory=dict)
    withheld: Collection[str] = ()
    asset_id: str = ""

    def __post_init__(self) -> None:
        """Give the file an id where the caller has none for it."""
        self.asset_id = self.asset_id or fixed_uuid("asset", self.path, self.digests.sha256)

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def folder(self) -> str:
        """The path without its last part."""
        return self.path.rpartition("/")[0]

    @property
    def size(self) -> int:
        """The number of bytes."""
        match self.content:
            case bytes(content):
                return len(content)
            case ListedContent(size=size):
                return size
            case path:
                return path.stat().st_size

    @property
    def blob_id(self) -> str:
        """The id of the content: files of equal content share it."""
        return fixed_uuid("blob", self.digests.sha256)

    @property
    def number(self) -> int:
        """The id that figshare gives the file: a positive number of 31 bits."""
        return int(self.asset_id[:8], 16) >> 1

    @cached_property
    def digests(self) -> Digests:
        """The digests of the content."""
        if isinstance(self.content, ListedContent):
            return self.content.digests
        etag = DandiETag(self.size)
        md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
        with self.open() as content:
            for part in etag.get_parts():
                block = content.read(part.size)
                for digest in (etag, md5, sha256):
                    digest.update(block)
        return Digests(md5.hexdigest(), sha256.hexdigest(), etag.as_str())

    def open(self) -> BinaryIO:
        """Open the content for reading; raises `FileNotFoundError` where it is only listed."""
        match self.content:
            case bytes(content):
                return io.BytesIO(content)
            case ListedContent():
                raise FileNotFoundError(f"{self.path} is only listed here")
            case path:
                return path.open("rb")

    def say(self, digests: Mapping[str, str]) -> dict[str, str]:
        """Return the digests as the archive announces them."""
        said = {**digests, **self.announced}
        return {name: value for name, value in said.items() if name not in self.withheld}
