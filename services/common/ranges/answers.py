"""Whether an answer to a range request holds exactly the bytes that were asked for, of the same object."""

import re
from http import HTTPStatus

import httpx

from services.common.archives.base import Asset
from services.common.errors import DamagedDownloadError, NetworkError, NoRangesError
from services.common.ranges.spans import ByteSpan
from services.common.web import strong_etag, without_query

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


def identify(response: httpx.Response, asset: Asset) -> str:
    """Return the ETag that every later part must bear.

    Raises `NoRangesError` where there is none to rely on: parts of different objects could be mixed.
    """
    etag = strong_etag(response.headers)
    if etag is None:
        raise _no_ranges(response, asset.path, "does not say by an ETag which object a part is of")
    return etag


def require_part(response: httpx.Response, asked: ByteSpan, asset: Asset, etag: str | None) -> None:
    """Raise unless the answer is the part that was asked for, of the object that was listed and begun.

    Raises `NoRangesError` where the server sends whole files only, `DamagedDownloadError` where the object is
    another one, `NetworkError` where something between us and it answered.
    """
    place = _place(response, asset.path)
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise NetworkError(f"{place} answered with a web page in place of the file.")
    if response.status_code == HTTPStatus.OK:
        raise _no_ranges(response, asset.path, "sends the whole file, where a part was asked for")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise NetworkError(f"{place} packed the part in a way that was not asked for.")
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if found is not None and found[3] not in ("*", str(asset.size)):
        raise DamagedDownloadError(
            f"{asset.path}: the archive lists {asset.size} bytes and has {found[3]}; nothing was kept."
        )
    length = int(response.headers.get("Content-Length", asked.length))
    if found is None or (int(found[1]), int(found[2]) + 1, length) != (asked.offset, asked.end, asked.length):
        raise NetworkError(f"{place} answered with another part than the one that was asked for.")
    if etag is not None and strong_etag(response.headers) != etag:
        raise changed(asset)


def changed(asset: Asset) -> DamagedDownloadError:
    """Return the error for an object that is no longer the one that was begun."""
    return DamagedDownloadError(
        f"{asset.path} was changed in its archive while it was being read; nothing was kept, "
        "and it is read anew."
    )


def _no_ranges(response: httpx.Response, path: str, what: str) -> NoRangesError:
    return NoRangesError(
        f"{_place(response, path)} {what}; "
        'write fetch = "copy" or "stream-or-copy" for this source in the catalogue.'
    )


def _place(response: httpx.Response, path: str) -> str:
    return f"{path}: {without_query(str(response.url))}"
