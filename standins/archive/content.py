"""What a made-up archive holds, apart from how it is served.

The listings may be changed while they are served: a draft does change between two pages.
"""

import hashlib
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Literal

from dandischema.digests.dandietag import DandiETag

from spikemill.services.cli.made_up import fixed_uuid

DRAFT = "draft"


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


@dataclass
class Dandiset:
    """A dandiset: the files of each version, `draft` among them or equal to the newest published one."""

    identifier: str
    name: str
    versions: dict[str, Sequence[ArchiveFile]]
    is_embargoed: bool = False

    @property
    def published(self) -> list[str]:
        """The ids of the published versions, oldest first."""
        return sorted(version for version in self.versions if version != DRAFT)

    @property
    def all_versions(self) -> list[str]:
        """The ids of all versions: the draft, which was there first, and the published ones."""
        return [DRAFT, *self.published]

    def files(self, version: str) -> Sequence[ArchiveFile] | None:
        """Return the files of a version, or None where there is no such version."""
        if version == DRAFT and DRAFT not in self.versions:
            return self.versions[self.published[-1]] if self.published else []
        return self.versions.get(version)


@dataclass
class Article:
    """A figshare article: the files of each version, which count from 1."""

    identifier: int
    title: str
    versions: dict[int, Sequence[ArchiveFile]]

    @property
    def newest(self) -> int:
        """The number of the newest version."""
        return max(self.versions)


@dataclass
class MadeUpArchive:
    """Dandisets and articles, served side by side."""

    dandisets: Sequence[Dandiset] = ()
    articles: Sequence[Article] = ()

    def dandiset(self, identifier: str) -> Dandiset | None:
        """Find a dandiset."""
        return next((found for found in self.dandisets if found.identifier == identifier), None)

    def article(self, identifier: int) -> Article | None:
        """Find an article."""
        return next((found for found in self.articles if found.identifier == identifier), None)

    def asset(self, asset_id: str) -> ArchiveFile | None:
        """Find a file of a dandiset by its asset id."""
        return next((file for file in self._dandiset_files() if file.asset_id == asset_id), None)

    def blob(self, blob_id: str) -> ArchiveFile | None:
        """Find a file of a dandiset by the id of its content."""
        return next((file for file in self._dandiset_files() if file.blob_id == blob_id), None)

    def article_file(self, number: int) -> ArchiveFile | None:
        """Find a file of an article by its number."""
        listings = chain.from_iterable(article.versions.values() for article in self.articles)
        return next((file for file in chain.from_iterable(listings) if file.number == number), None)

    def _dandiset_files(self) -> Iterator[ArchiveFile]:
        listings = chain.from_iterable(dandiset.versions.values() for dandiset in self.dandisets)
        return chain.from_iterable(listings)
