"""The DANDI archive: the assets of one version of a dandiset."""

from collections.abc import Iterator
from typing import Any

import requests
from dandi.dandiapi import DandiAPIClient
from pydantic import BaseModel, TypeAdapter

from services.common.archives.answers import checked
from services.common.archives.base import Asset, Location
from services.common.archives.dandi_session import dandi_client
from services.common.errors import NetworkError
from services.common.pacing import RequestPacer
from services.common.web import unreachable

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
    """A page of a listing; only the first one tells the count."""

    count: int | None = None
    next: str | None
    results: list[_Item]


_PAGE = TypeAdapter(_Page)


class DandiArchive:
    """One version of one dandiset. Zarr assets are skipped: no reader takes them."""

    def __init__(self, api: str, dandiset: str, version: str, pacer: RequestPacer) -> None:
        """Name the version; nothing is asked yet."""
        self._api = api
        self._listing = f"{api}/dandisets/{dandiset}/versions/{version}/assets/"
        self._pacer = pacer

    def assets(self) -> Iterator[Asset]:
        """Yield every file of the version, in path order; one request per 1,000 of them."""
        with dandi_client(self._api, self._pacer) as client:
            for item in self._complete(self._pages(client)):
                if item.blob is not None:
                    yield _asset(item)

    def locate(self, asset: Asset) -> Location:
        """Return the download address, which the archive answers with a freshly signed link."""
        return Location(f"{self._api}/assets/{asset.asset_id}/download/")

    def _pages(self, client: DandiAPIClient) -> Iterator[_Page]:
        address: str | None = self._listing
        params: dict[str, Any] | None = {"order": "path", "metadata": "true", "page_size": PAGE_SIZE}
        while address:
            page = self._page(client, address, params)
            yield page
            if page.next and not page.results:
                raise self._changed("a page is empty, and still names a next one")
            address, params = page.next, None  # the address of the next page carries the parameters

    def _page(self, client: DandiAPIClient, address: str, params: dict[str, Any] | None) -> _Page:
        try:
            answer = client.get(address, params=params)
        except requests.RequestException as error:
            raise unreachable(address, error) from error
        return checked(answer, _PAGE, self._listing)

    def _complete(self, pages: Iterator[_Page]) -> Iterator[_Item]:
        """Yield the items of all pages; refuse a listing that is short, doubled or out of order."""
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
    """Tell whether the metadata list Units among what was measured; entries are names or tables."""
    measured = metadata.get("variableMeasured")
    if measured is None:
        return None
    return any((entry.get("value") if isinstance(entry, dict) else entry) == "Units" for entry in measured)
