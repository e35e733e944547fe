"""Requests to archives: timeouts, redirects, and the errors for refused and failed requests.

Nothing here retries: that is left to the ledger.
"""

import ssl
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

import httpx

from spikemill.services.common.errors import AssetError, NetworkError
from spikemill.services.common.rate_limit import RateLimiter, retry_after_seconds
from spikemill.services.common.retry import is_transient

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
"""How long a server may be silent, before its answer and within it."""
USER_AGENT = f"spikemill/{version('spikemill')}"
_MOST_REDIRECTS = 5
_SERVED = (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT)
_FORBIDDEN = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
EXPIRED_LINK = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
"""What a storage answers to a signed link that has expired."""
_GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)


def web_client(*, read: float = READ_SECONDS, connections: int | None = None) -> httpx.Client:
    """Return a client that follows redirects; an Authorization header stays with its own host.

    It opens at most that many connections at once; further requests block.
    """
    return httpx.Client(
        verify=_trusted_authorities(),
        timeout=httpx.Timeout(read, connect=CONNECT_SECONDS, pool=None),
        limits=httpx.Limits(max_connections=connections),
        follow_redirects=True,
        headers={"User-Agent": USER_AGENT},
    )


@cache
def _trusted_authorities() -> ssl.SSLContext:
    """Return the trusted certificates; they are read once, because that is slow."""
    return httpx.create_ssl_context()


def get_json(
    client: httpx.Client,
    address: str,
    *,
    limiter: RateLimiter,
    params: Mapping[str, str | int] | None = None,
    about: str = "",
) -> Any:
    """Ask an API for JSON, once; `about` names the file that is asked for, if any.

    Raises `NetworkError` where asking later may help, `AssetError` where it will not.
    """
    limiter.wait_for_slot(host_of(address))
    try:
        response = client.get(address, params=params)
    except httpx.HTTPError as error:
        raise unreachable(address, error, about) from error
    if response.status_code != HTTPStatus.OK:
        raise refusal(response.status_code, response.headers, address, limiter, about)
    try:
        return response.json()
    except ValueError as error:
        raise NetworkError(f"{_place(address, about)} answered something that is not JSON.") from error


def end_of_redirects(client: httpx.Client, address: str, limiter: RateLimiter, about: str) -> str:
    """Return where an API's own address leads: the first place on another host, or the one that serves it.

    Only headers are read. Raises as `get_json` does.
    """
    limiter.wait_for_slot(host_of(address))
    request = client.build_request("GET", address, headers={"Range": "bytes=0-0"})
    for _ in range(_MOST_REDIRECTS):
        try:
            response = client.send(request, stream=True, follow_redirects=False)
        except httpx.HTTPError as error:
            raise unreachable(str(request.url), error, about) from error
        response.close()
        if response.status_code in _SERVED:
            return str(request.url)
        if response.next_request is None:
            raise refusal(response.status_code, response.headers, address, limiter, about)
        request = response.next_request
        if request.url.netloc != httpx.URL(address).netloc:
            return str(request.url)
    raise NetworkError(f"{about}: {without_query(address)} leads from one place to the next without end.")


def refusal(
    status: int, headers: Mapping[str, str], address: str, limiter: RateLimiter, about: str = ""
) -> NetworkError | AssetError:
    """Return the error for a refused request; a Retry-After also defers the limiter.

    `about` names the file that was asked for, where the address does not.
    """
    place, phrase = _place(address, about), _phrase(status)
    if status in _FORBIDDEN:
        return AssetError(f"{place} answered {phrase}: this is embargoed or private; ask its owners.")
    if status in _GONE:
        return AssetError(
            f"{place} answered {phrase}: there is nothing of this name and version; "
            "correct the catalogue, or exclude it there."
        )
    seconds = retry_after_seconds(headers.get("Retry-After"))
    if seconds is not None:
        limiter.defer(host_of(address), seconds)
    if is_transient(status):
        return NetworkError(f"{place} answered {phrase}.", retry_after=seconds)
    if status < HTTPStatus.BAD_REQUEST:
        # A challenge or a proxy, not the archive: figshare's website answers 202 with an empty body.
        return NetworkError(f"{place} answered {phrase} and not what was asked for.", retry_after=seconds)
    return AssetError(f"{place} answered {phrase}: the archive does not accept this request.")


def unreachable(address: str, error: Exception, about: str = "") -> NetworkError:
    """Return the error for a request without a complete answer; it names only the kind of the cause.

    The cause's own text may hold a signed link.
    """
    place = _place(address, about)
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return NetworkError(f"{place} was silent for too long ({type(error).__name__}).")
    return NetworkError(f"{place} could not be reached, or the connection broke ({type(error).__name__}).")


def strong_etag(headers: Mapping[str, str]) -> str | None:
    """Return the ETag if it may be used in a condition: a weak one does not promise equal bytes."""
    etag = headers.get("ETag", "")
    return etag if etag and etag.isascii() and not etag.startswith("W/") else None


def host_of(address: str) -> str:
    """Return the host, with its port where it has one."""
    return urlsplit(address).netloc.rpartition("@")[2]


def without_query(address: str) -> str:
    """Return the address without query and credentials: signed links are secrets."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{host_of(address)}{parts.path}"


def _place(address: str, about: str) -> str:
    return f"{about}: {without_query(address)}" if about else without_query(address)


def _phrase(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
