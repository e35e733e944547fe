"""The DANDI archive: one version of a dandiset, listed with the dandi client."""

from collections.abc import Callable, Iterator
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, TypeAdapter

from spikemill.services.common.archives.base import Location, checked
from spikemill.services.common.catalog import DandiSource
from spikemill.services.common.errors import NetworkError
from spikemill.services.common.http import end_of_redirects, get_json, web_client
from spikemill.services.common.rate_limit import RateLimiter
from spikemill.services.common.types import Asset

PAGE_SIZE = 1000
_ALGORITHMS = {"dandi:sha2-256": "sha256", "dandi:dandi-etag": "dandi-etag"}


class _Item(BaseModel):
    """An asset as the listing gives it; `blob` is null for a Zarr, which is a folder of many objects."""

    asset_id: str
    path: str
    size: int
    blob: str | None = None
    metadata: dict[str, Any] = {}


class _Page(BaseModel):
    """A page of a listing; only the first one has the count."""

    count: int | None = None
    next: str | None
    results: list[_Item]


class _Described(BaseModel):
    """The addresses of an asset's content, in its metadata."""

    contentUrl: list[str] = []  # noqa: N815 - the archive's own name


_PAGE, _DESCRIBED = TypeAdapter(_Page), TypeAdapter(_Described)


class DandiArchive:
    """One version of one dandiset. Zarr assets are skipped: no reader takes them."""

    def __init__(self, api: str, dandiset: str, version: str, limiter: RateLimiter) -> None:
        self._api = api
        self._listing = f"{api}/dandisets/{dandiset}/versions/{version}/assets/"
        self._limiter = limiter
        self._resolved: set[str] = set()

    @classmethod
    def of(cls, source: DandiSource, limiter: RateLimiter) -> Self:
        """Return the archive of a source."""
        return cls(source.frozen_api, source.identifier, source.version, limiter)

    def assets(self) -> Iterator[Asset]:
        """Yield every file of the version, in path order; one request per 1,000 of them."""
        # The downloader alone lists, and its image alone has the client.
        from spikemill.services.common.archives.dandi_client import listing_client  # noqa: PLC0415

        with listing_client(self._api, self._limiter) as get:
            for item in self._complete(self._pages(get)):
                if item.blob is not None:
                    yield _asset(item)

    def locate(self, asset: Asset) -> Location:
        """Return the download address, which the archive answers with a freshly signed link."""
        return Location(f"{self._api}/assets/{asset.asset_id}/download/")

    def resolve(self, asset: Asset) -> Location:
        """Return the public address of the asset's blob, which never expires, then signed links."""
        with web_client() as client:
            public = None if asset.asset_id in self._resolved else self._public_address(client, asset)
            self._resolved.add(asset.asset_id)
            if public is not None:
                return Location(public)
            return Location(end_of_redirects(client, self.locate(asset).address, self._limiter, asset.path))

    def _public_address(self, client: httpx.Client, asset: Asset) -> str | None:
        """Return the address of the content that is neither the API's nor signed, if there is one."""
        address = f"{self._api}/assets/{asset.asset_id}/"
        answer = get_json(client, address, limiter=self._limiter, about=asset.path)
        urls = checked(answer, _DESCRIBED, address).contentUrl
        return next(
            (url for url in urls if not url.startswith(f"{self._api}/") and not urlsplit(url).query), None
        )

    def _pages(self, get: Callable[[str, dict[str, Any] | None], Any]) -> Iterator[_Page]:
        address: str | None = self._listing
        params: dict[str, Any] | None = {"order": "path", "metadata": "true", "page_size": PAGE_SIZE}
        while address:
            page = checked(get(address, params), _PAGE, self._listing)
            yield page
            if page.next and not page.results:
                raise self._changed("a page is empty, and still names a next one")
            address, params = page.next, None  # the address of the next page carries the parameters

    def _complete(self, pages: Iterator[_Page]) -> Iterator[_Item]:
        """Yield the items of all pages; refuse a listing that is incomplete, repeated or out of order."""
        count, received, last_path = None, 0, b""
        for page in pages:
            count = page.count if received == 0 else count
            for item in page.results:
                received += 1
                path = item.path.encode()
                if path <= last_path:
                    raise self._changed(f"{item.path!r} is not in the order of the paths")
                last_path = path
                yield item
        if received != count:
            raise self._changed(f"{received} assets of {count} came")

    def _changed(self, what: str) -> NetworkError:
        return NetworkError(f"{self._listing} changed while it was read: {what}; it is read again later.")


def _asset(item: _Item) -> Asset:
    listed = item.metadata.get("digest") or {}
    digests = {ours: listed[theirs] for theirs, ours in _ALGORITHMS.items() if listed.get(theirs)}
    return Asset(item.asset_id, item.path, item.size, digests, _has_units(item.metadata))


def _has_units(metadata: dict[str, Any]) -> bool | None:
    """Return whether the metadata list Units among the measured variables; entries are names or tables."""
    measured = metadata.get("variableMeasured")
    if measured is None:
        return None
    return any((entry.get("value") if isinstance(entry, dict) else entry) == "Units" for entry in measured)
