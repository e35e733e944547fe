"""The bytes of an asset over HTTP, from where an earlier attempt stopped."""

import re
from collections.abc import Callable
from http import HTTPStatus

import httpx

from services.common.archives.base import Asset, Location
from services.common.errors import AssetError, DamagedDownloadError, NetworkError
from services.common.pacing import RequestPacer
from services.common.web import host_of, refusal, strong_etag, unreachable, without_query
from services.downloader.partial import PartialFile

Progress = Callable[[int], None]

_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_EXPIRED_LINK = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


def transfer(
    client: httpx.Client,
    location: Location,
    asset: Asset,
    partial: PartialFile,
    *,
    pacer: RequestPacer,
    progress: Progress | None = None,
) -> None:
    """Fetch what the partial file lacks; a broken connection leaves what has come for the next attempt.

    Raises `NetworkError`, `AssetError`, or `DamagedDownloadError` where the object has another size.
    """
    if partial.size > asset.size:
        partial.restart(None)
    while partial.size < asset.size:
        pacer.wait_for_slot(host_of(location.address))
        try:
            with client.stream("GET", location.address, headers=_headers(location, partial)) as response:
                if _begins(response, asset, partial, pacer):
                    _receive(response, asset, partial, progress)
        except httpx.HTTPError as error:
            raise unreachable(location.address, error, asset.path) from error


def _headers(location: Location, partial: PartialFile) -> dict[str, str]:
    headers = {**location.headers, "Accept-Encoding": "identity"}
    if partial.size:
        headers["Range"] = f"bytes={partial.size}-"
        if partial.etag:
            headers["If-Range"] = partial.etag
    return headers


def _begins(response: httpx.Response, asset: Asset, partial: PartialFile, pacer: RequestPacer) -> bool:
    """Tell whether the body goes on where the partial file ends.

    Where it cannot go on, the partial file is emptied, and the next request is for the whole.
    """
    resumed = partial.size > 0
    if response.status_code == HTTPStatus.OK:
        _check_whole(response, asset, partial)
        partial.restart(strong_etag(response.headers))
        return True
    if resumed and response.status_code == HTTPStatus.PARTIAL_CONTENT:
        return _continues(response, asset, partial)
    if resumed and response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        partial.restart(None)
        return False
    raise _refused(response, asset, pacer)


def _check_whole(response: httpx.Response, asset: Asset, partial: PartialFile) -> None:
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise NetworkError(
            f"{asset.path}: {without_query(str(response.url))} answered with a web page in place of the file."
        )
    length = response.headers.get("Content-Length")
    if length is not None and int(length) != asset.size:
        raise _other_size(asset, partial, length)


def _continues(response: httpx.Response, asset: Asset, partial: PartialFile) -> bool:
    """Check that a 206 is the rest of the same object."""
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    etag = strong_etag(response.headers)
    is_other = partial.etag is not None and etag is not None and etag != partial.etag
    if found is None or int(found[1]) != partial.size or is_other:
        partial.restart(None)
        return False
    if found[2] not in ("*", str(asset.size)):
        raise _other_size(asset, partial, found[2])
    return True


def _receive(response: httpx.Response, asset: Asset, partial: PartialFile, progress: Progress | None) -> None:
    for block in response.iter_raw():
        if partial.size + len(block) > asset.size:
            raise _other_size(asset, partial, "more")
        partial.append(block)
        if progress is not None:
            progress(len(block))
    if partial.size < asset.size:
        raise NetworkError(
            f"{asset.path}: the answer ended after {partial.size} of {asset.size} bytes; "
            "the next attempt goes on from there."
        )


def _other_size(asset: Asset, partial: PartialFile, size: str) -> DamagedDownloadError:
    partial.discard()
    return DamagedDownloadError(
        f"{asset.path}: the archive lists {asset.size} bytes and sends {size}; the copy was thrown away."
    )


def _refused(response: httpx.Response, asset: Asset, pacer: RequestPacer) -> NetworkError | AssetError:
    address = str(response.url)
    if response.history and response.status_code in _EXPIRED_LINK:
        return NetworkError(
            f"{asset.path}: the storage behind the archive answered {response.status_code} to a signed link "
            f"({without_query(address)}), as when it has expired; the next attempt gets a new one."
        )
    return refusal(response.status_code, response.headers, address, pacer, asset.path)
