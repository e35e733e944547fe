"""figshare: the files of one version of an article."""

from collections.abc import Iterator
from itertools import count
from typing import Any, Self, TypeVar

import httpx
from pydantic import BaseModel, TypeAdapter

from spikemill.services.common.archives.base import Location, checked
from spikemill.services.common.catalog import FigshareSource
from spikemill.services.common.errors import AssetError, NetworkError
from spikemill.services.common.http import end_of_redirects, get_json, web_client
from spikemill.services.common.rate_limit import RateLimiter
from spikemill.services.common.types import Asset

PAGE_SIZE = 1000
_REFUSED = {
    "is_embargoed": "is under embargo",
    "is_confidential": "is confidential",
    "download_disabled": "does not allow downloads",
}
_T = TypeVar("_T")


class _Article(BaseModel):
    """An article's metadata; `folder_structure` maps a file's id to its folder."""

    is_embargoed: bool = False
    is_confidential: bool = False
    download_disabled: bool = False
    folder_structure: dict[str, str] | None = None


class _File(BaseModel):
    """A file of an article, with the md5 sum of figshare and that of the uploader.

    What the sums mean for a file that is only a link is not documented.
    """

    id: int
    name: str
    size: int
    is_link_only: bool = False
    computed_md5: str | None = None
    supplied_md5: str | None = None


_ARTICLE = TypeAdapter(_Article)
_FILES = TypeAdapter(list[_File])


class FigshareArchive:
    """One version of one article; a file's path is its folder in the article and its name."""

    def __init__(self, api: str, article: str, version: int, limiter: RateLimiter) -> None:
        self._api = api
        self._version = f"{api}/articles/{article}/versions/{version}"
        self._limiter = limiter

    @classmethod
    def of(cls, source: FigshareSource, limiter: RateLimiter) -> Self:
        """Return the archive of a source."""
        return cls(source.frozen_api, source.identifier, source.version, limiter)

    def assets(self) -> Iterator[Asset]:
        """Yield every file of the version, in path order; names may repeat, ids do not."""
        with web_client() as client:
            article = self._article(client)
            files = list(self._files(client))
        assets = [_asset(file, article.folder_structure or {}) for file in files]
        yield from sorted(assets, key=lambda asset: (asset.path.encode(), asset.asset_id))

    def locate(self, asset: Asset) -> Location:
        """Return the API's download address; the website answers programs with a challenge."""
        return Location(f"{self._api}/file/download/{asset.asset_id}")

    def resolve(self, asset: Asset) -> Location:
        """Return a freshly signed link."""
        with web_client() as client:
            return Location(end_of_redirects(client, self.locate(asset).address, self._limiter, asset.path))

    def _article(self, client: httpx.Client) -> _Article:
        article = self._get(client, self._version, _ARTICLE)
        for key, reason in _REFUSED.items():
            if getattr(article, key):
                raise AssetError(f"{self._version} {reason}; ask its authors.")
        return article

    def _files(self, client: httpx.Client) -> Iterator[_File]:
        """Get pages until one is not full: there is no count and no link to the next."""
        seen: set[int] = set()
        for page in count(1):
            params = {"page": page, "page_size": PAGE_SIZE}
            files = self._get(client, f"{self._version}/files", _FILES, params)
            for file in files:
                if file.id in seen:
                    raise NetworkError(
                        f"{self._version}/files lists {file.name!r} on two pages; it is read again."
                    )
                seen.add(file.id)
                yield file
            if len(files) < PAGE_SIZE:
                return

    def _get(
        self,
        client: httpx.Client,
        address: str,
        form: TypeAdapter[_T],
        params: dict[str, Any] | None = None,
    ) -> _T:
        answer = get_json(client, address, limiter=self._limiter, params=params)
        return checked(answer, form, address)


def _asset(file: _File, folders: dict[str, str]) -> Asset:
    folder = folders.get(str(file.id), "").strip("/")
    md5 = None if file.is_link_only else file.computed_md5 or file.supplied_md5
    return Asset(
        asset_id=str(file.id),
        path=f"{folder}/{file.name}" if folder else file.name,
        size=file.size,
        digests={"md5": md5.lower()} if md5 else {},
    )
