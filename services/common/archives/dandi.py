"""The DANDI archive: the assets of one version of a dandiset, listed with the dandi client."""

import logging
import os
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import requests
from dandi.consts import DandiInstance
from dandi.dandiapi import DandiAPIClient
from pydantic import BaseModel, TypeAdapter
from requests.adapters import HTTPAdapter

from spikemill.services.common.archives.base import Asset, Location, checked
from spikemill.services.common.errors import NetworkError
from spikemill.services.common.http import (
    CONNECT_SECONDS,
    READ_SECONDS,
    USER_AGENT,
    host_of,
    refusal,
    unreachable,
)
from spikemill.services.common.rate_limit import RequestPacer

PAGE_SIZE = 1000
_ALGORITHMS = {"dandi:sha2-256": "sha256", "dandi:dandi-etag": "dandi-etag"}
_MOVED = range(HTTPStatus.MULTIPLE_CHOICES, HTTPStatus.BAD_REQUEST)


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


class _PacedAdapter(HTTPAdapter):
    """Sends each request once, after its slot has come.

    The client tries again for more than a minute on the errors of `requests` alone; ours pass it by, so
    that the ledger stays the only layer that retries.
    """

    def __init__(self, pacer: RequestPacer) -> None:
        super().__init__()
        self._pacer = pacer

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send one request; the client itself sets no timeout."""
        address = request.url or ""
        self._pacer.wait_for_slot(host_of(address))
        kwargs["timeout"] = (CONNECT_SECONDS, READ_SECONDS)
        try:
            response = super().send(request, *args, **kwargs)
            # Read here, for a body that breaks later is an error that the client would retry.
            _ = response.content
        except requests.RequestException as error:
            raise unreachable(address, error) from error
        if response.status_code != HTTPStatus.OK and response.status_code not in _MOVED:
            raise refusal(response.status_code, response.headers, address, self._pacer)
        return response


def dandi_client(api: str, pacer: RequestPacer) -> DandiAPIClient:
    """Return a client for the API at this address; making it sends no request."""
    os.environ["DANDI_NO_ET"] = "1"  # else it reports each use to etelemetry
    # It logs a traceback for each failure, and all of them reach the caller as errors.
    logging.getLogger("dandi").setLevel(logging.CRITICAL)
    client = DandiAPIClient(dandi_instance=DandiInstance(name="dandi", gui=None, api=api))
    for scheme in ("http://", "https://"):
        client.session.mount(scheme, _PacedAdapter(pacer))
    client.session.headers["User-Agent"] = USER_AGENT
    return client
