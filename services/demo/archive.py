"""What a made-up archive holds, apart from how it is served.

The listings may be changed while they are served: a draft does change between two pages.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from services.demo.archive_file import ArchiveFile

DRAFT = "draft"


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
