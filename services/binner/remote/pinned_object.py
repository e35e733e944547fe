"""One object in an archive's storage, of which parts are read: pinned by its ETag."""

import re
import socket
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx

from spikemill.services.binner.readers.base import ByteSpan
from spikemill.services.common.archives.base import Archive, Location
from spikemill.services.common.errors import DamagedDownloadError, NetworkError, NoRangesError
from spikemill.services.common.http import EXPIRED_LINK, refusal, strong_etag, unreachable, without_query
from spikemill.services.common.rate_limit import RateLimiter
from spikemill.services.common.retry import Backoff
from spikemill.services.common.types import Asset

Progress = Callable[[int], None]
_PARTS = (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT)
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_BACKOFF = Backoff(tries=5, first_pause=0.25, longest_pause=30.0)
# A try that brings less is no progress: a connection that often breaks gets on, one that drips does not.
_PROGRESS = 1 << 18
_OPENED = ("connect_tcp.complete", "start_tls.complete")


@dataclass(slots=True)
class Part:
    """Bytes from `offset` on, in order, into a view of their final place."""

    offset: int
    view: memoryview
    filled: int = 0

    @property
    def rest(self) -> ByteSpan:
        """What is still to be fetched."""
        return ByteSpan(self.offset + self.filled, len(self.view) - self.filled)

    def append(self, block: bytes) -> None:
        """Add the next bytes, which must not be more than are lacking."""
        end = self.filled + len(block)
        self.view[self.filled : end] = block
        self.filled = end


class ExpiredLinkError(NetworkError):
    """The storage no longer accepts the link; a new one may be had at once."""


@dataclass(slots=True)
class RetryBudget:
    """Counts a part's failures in a row; after progress the next one is the first again.

    `filled` is how much of the part had come when the count began.
    """

    part: Part
    filled: int = 0
    failures: int = 0

    def pause(self, error: NetworkError) -> float | None:
        """Return the seconds to wait after a failure, or None where the part is given up."""
        if self.part.filled - self.filled >= _PROGRESS:
            self.filled, self.failures = self.part.filled, 0
        self.failures += 1
        if isinstance(error, ExpiredLinkError) and self.failures == 1 and not error.retry_after:
            return 0.0
        return _BACKOFF.pause(self.failures, error.retry_after or None)


class Connections:
    """Knows the connections that were opened for requests with its `extensions`.

    A thread that waits for a silent server notices nothing else than the end of its connection.
    """

    def __init__(self) -> None:
        self.extensions: Mapping[str, Any] = {"trace": self._note}
        self._lock = threading.Lock()
        self._streams: list[Any] = []
        self._are_broken = False

    def break_all(self) -> None:
        """Break every connection, and each that is opened from now on."""
        with self._lock:
            self._are_broken = True
            for stream in self._streams:
                _break(stream)

    def _note(self, event: str, details: Mapping[str, Any]) -> None:
        """Remember a connection that was opened: httpx reports every step of a request."""
        if not event.endswith(_OPENED):
            return
        stream = details["return_value"]
        with self._lock:
            self._streams.append(stream)
            if self._are_broken:
                _break(stream)


def _break(stream: Any) -> None:
    """Break a connection, unless it is closed already."""
    with suppress(OSError):
        stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)


class PinnedObject:
    """Reads parts of one object and of no other; several threads may do so at once.

    The storage has no rate limit as the archives' APIs have, but an answer that asks for a pause is obeyed.
    """

    def __init__(
        self,
        archive: Archive,
        asset: Asset,
        client: httpx.Client,
        *,
        limiter: RateLimiter,
        progress: Progress,
    ) -> None:
        self.asset = asset
        self.etag: str | None = None
        self.bytes_downloaded = 0
        self.requests = 0
        self._archive = archive
        self._client = client
        self._limiter = limiter
        self._progress = progress
        self._lock = threading.Lock()
        # Apart from the other one: while the archive is asked for a link, bytes go on arriving.
        self._locating = threading.Lock()
        self._location: Location | None = None
        self._connections = Connections()
        self._closed = threading.Event()

    @property
    def identified_by(self) -> str:
        """What ties the object to its listing: `etag` where that is a listed digest, else only its `size`."""
        listed = {self.asset.digests.get("dandi-etag"), self.asset.digests.get("md5")}
        return "etag" if self.etag is not None and self.etag.strip('"') in listed else "size"

    def close(self) -> None:
        """Stop every thread that still fetches or waits, with `CancelledError`."""
        self._closed.set()
        self._connections.break_all()

    def fill(self, offset: int, view: memoryview) -> None:
        """Fill the view with the bytes from `offset` on; a connection that breaks is resumed where it broke.

        The view is released at the end. Raises `NetworkError` (later, perhaps), `AssetError` (among them
        `NoRangesError`) or `DamagedDownloadError`.
        """
        part = Part(offset, view)
        budget = RetryBudget(part)
        with view:
            while True:
                try:
                    return self._fetch_rest(part)
                except NetworkError as error:
                    pause = budget.pause(error)
                    if pause is None:
                        raise
                self._sleep(pause)

    def _sleep(self, seconds: float) -> None:
        """Wait, unless the object is closed meanwhile."""
        self._closed.wait(seconds)
        self._require_open()

    def _require_open(self) -> None:
        if self._closed.is_set():
            raise CancelledError

    def _fetch_rest(self, part: Part) -> None:
        location = self._current_location()
        asked = part.rest
        headers = {
            **location.headers,
            **({} if self.etag is None else {"If-Match": self.etag}),
            "Accept-Encoding": "identity",
            "Range": f"bytes={asked.offset}-{asked.end - 1}",
        }
        extensions = self._connections.extensions
        try:
            with self._client.stream(
                "GET", location.address, headers=headers, extensions=extensions
            ) as response:
                self._require(response, location, asked)
                self._receive(response, part)
        except httpx.HTTPError as error:
            raise unreachable(location.address, error, self.asset.path) from error

    def _current_location(self) -> Location:
        """Return where the object lies; one thread asks the archive for all threads."""
        with self._locating:
            self._require_open()
            if self._location is None:
                self._location = self._archive.resolve(self.asset)
            return self._location

    def _require(self, response: httpx.Response, location: Location, asked: ByteSpan) -> None:
        """Raise unless the answer is the part, of the pinned object; the first answer pins it."""
        with self._lock:
            self.requests += 1
        if response.status_code not in _PARTS:
            raise self._refused(response, location)
        _require_part(response, asked, self.asset, self.etag)
        if self.etag is None:
            self.etag = strong_etag(response.headers)
        if self.etag is None:
            # Parts of different objects could be mixed.
            raise _no_ranges(response, self.asset.path, "does not say by an ETag which object a part is of")

    def _refused(self, response: httpx.Response, location: Location) -> Exception:
        path = self.asset.path
        if response.status_code == HTTPStatus.PRECONDITION_FAILED:
            return _changed(self.asset)
        if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return DamagedDownloadError(
                f"{path}: the archive lists {self.asset.size} bytes, and its file ends before them."
            )
        if response.status_code in EXPIRED_LINK:
            with self._locating:
                # Another thread may have asked for a new link already.
                if self._location is location:
                    self._location = None
            return ExpiredLinkError(
                f"{path}: the storage behind the archive answered {response.status_code} to its link "
                f"({without_query(location.address)}), as when it has expired; a new one is asked for."
            )
        return refusal(response.status_code, response.headers, str(response.url), self._limiter, path)

    def _receive(self, response: httpx.Response, part: Part) -> None:
        for block in response.iter_raw():
            self._require_open()
            if len(block) > part.rest.length:
                part.filled = 0
                raise NetworkError(
                    f"{self.asset.path}: the answer is longer than the part that was asked for."
                )
            part.append(block)
            with self._lock:
                self.bytes_downloaded += len(block)
                self._progress(len(block))
        if part.rest.length:
            raise NetworkError(f"{self.asset.path}: the answer ended before the part that was asked for did.")


def _require_part(response: httpx.Response, asked: ByteSpan, asset: Asset, etag: str | None) -> None:
    """Raise unless the answer is the part that was asked for, of the object that was listed and pinned.

    `NoRangesError`: the server sends whole files only. `DamagedDownloadError`: it is another object.
    `NetworkError`: something between us and the storage answered.
    """
    place = _place(response, asset.path)
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise NetworkError(f"{place} answered with a web page in place of the file.")
    if response.status_code == HTTPStatus.OK:
        raise _no_ranges(response, asset.path, "sends the whole file, where a part was asked for")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise NetworkError(f"{place} compressed the part, which was not asked for.")
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if found is not None and found[3] not in ("*", str(asset.size)):
        raise DamagedDownloadError(
            f"{asset.path}: the archive lists {asset.size} bytes and has {found[3]}; nothing was kept."
        )
    length = int(response.headers.get("Content-Length", asked.length))
    if found is None or (int(found[1]), int(found[2]) + 1, length) != (asked.offset, asked.end, asked.length):
        raise NetworkError(f"{place} answered with another part than the one that was asked for.")
    if etag is not None and strong_etag(response.headers) != etag:
        raise _changed(asset)


def _changed(asset: Asset) -> DamagedDownloadError:
    return DamagedDownloadError(
        f"{asset.path} was changed in its archive while it was being read; nothing was kept, "
        "and it is read again."
    )


def _no_ranges(response: httpx.Response, path: str, what: str) -> NoRangesError:
    return NoRangesError(
        f"{_place(response, path)} {what}; "
        'write fetch = "copy" or "stream-or-copy" for this source in the catalogue.'
    )


def _place(response: httpx.Response, path: str) -> str:
    return f"{path}: {without_query(str(response.url))}"
