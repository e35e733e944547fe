"""Where the bytes of an asset can be read in parts: the archive's own link, resolved anew for each attempt.

Both archives are asked with httpx: only the downloader has the dandi client.
"""

from http import HTTPStatus
from typing import Protocol
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, TypeAdapter

from spikemill.services.common.archives.base import Asset, Location, checked
from spikemill.services.common.catalog import DandiSource, FigshareSource, Source
from spikemill.services.common.errors import NetworkError
from spikemill.services.common.http import get_json, host_of, refusal, unreachable, web_client, without_query
from spikemill.services.common.rate_limit import RequestPacer

_MOST_REDIRECTS = 5
_SERVED = (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT)


class _Described(BaseModel):
    """What an asset's metadata say of the addresses of its content."""

    contentUrl: list[str] = []  # noqa: N815 - the archive's own name


_DESCRIBED = TypeAdapter(_Described)


class Links(Protocol):
    """The way to the assets of one archive."""

    def resolve(self, asset: Asset) -> Location:
        """Return where the storage itself serves the asset right now.

        Called again when that place refuses: it then returns another one, or a freshly signed link. Raises
        `NetworkError` or `AssetError`.
        """


class DandiLinks:
    """DANDI: the public address of an asset's blob, which never expires; where that refuses, signed links."""

    def __init__(self, api: str, pacer: RequestPacer) -> None:
        """Name the API; nothing is asked yet."""
        self._api = api
        self._pacer = pacer
        self._resolved: set[str] = set()

    def resolve(self, asset: Asset) -> Location:
        """Return the blob's public address first, after that signed links."""
        with web_client() as client:
            public = None if asset.asset_id in self._resolved else self._public(client, asset)
            self._resolved.add(asset.asset_id)
            if public is not None:
                return Location(public)
            return _followed(client, f"{self._api}/assets/{asset.asset_id}/download/", asset, self._pacer)

    def _public(self, client: httpx.Client, asset: Asset) -> str | None:
        """Return the address of the content that is neither the API's nor signed, if there is one."""
        address = f"{self._api}/assets/{asset.asset_id}/"
        described = checked(
            get_json(client, address, pacer=self._pacer, about=asset.path), _DESCRIBED, address
        )
        return next((url for url in described.contentUrl if self._is_public(url)), None)

    def _is_public(self, address: str) -> bool:
        return not address.startswith(f"{self._api}/") and not urlsplit(address).query


class FigshareLinks:
    """figshare: signed links, to which the API's own download address leads."""

    def __init__(self, api: str, pacer: RequestPacer) -> None:
        """Name the API; nothing is asked yet."""
        self._api = api
        self._pacer = pacer

    def resolve(self, asset: Asset) -> Location:
        """Return a freshly signed link."""
        with web_client() as client:
            return _followed(client, f"{self._api}/file/download/{asset.asset_id}", asset, self._pacer)


def open_links(source: Source, pacer: RequestPacer) -> Links:
    """Return the links of a source whose `api` is frozen; nothing is asked yet."""
    match source:
        case DandiSource(api=str(api)):
            return DandiLinks(api, pacer)
        case FigshareSource(api=str(api)):
            return FigshareLinks(api, pacer)
    raise ValueError(f"The files of source {source.name} lie in no archive on the web.")


def _followed(client: httpx.Client, address: str, asset: Asset, pacer: RequestPacer) -> Location:
    """Return the place outside the API that its address leads to, or the place in it that serves the file."""
    pacer.wait_for_slot(host_of(address))
    request = client.build_request("GET", address, headers={"Range": "bytes=0-0"})
    for _ in range(_MOST_REDIRECTS):
        response = _answer_head(client, request, asset)
        if response.status_code in _SERVED:
            return Location(str(request.url))
        if response.next_request is None:
            raise refusal(response.status_code, response.headers, address, pacer, asset.path)
        request = response.next_request
        if request.url.netloc != httpx.URL(address).netloc:
            return Location(str(request.url))
    raise NetworkError(
        f"{asset.path}: {without_query(address)} leads from one place to the next without end."
    )


def _answer_head(client: httpx.Client, request: httpx.Request, asset: Asset) -> httpx.Response:
    """Send a request and return the answer's status and headers; nothing of its body is read."""
    try:
        response = client.send(request, stream=True, follow_redirects=False)
    except httpx.HTTPError as error:
        raise unreachable(str(request.url), error, asset.path) from error
    response.close()
    return response
