"""One object in an archive's storage, of which parts are read: pinned by its ETag."""

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from http import HTTPStatus

import httpx
from tenacity import Retrying, retry_if_exception_type

from services.common.archives.base import Asset, Location
from services.common.archives.links import Links
from services.common.errors import DamagedDownloadError, NetworkError
from services.common.pacing import RequestPacer
from services.common.ranges.answers import changed, identify, require_part
from services.common.ranges.connections import Connections
from services.common.ranges.part import Part
from services.common.ranges.patience import ExpiredLinkError, Patience
from services.common.ranges.spans import ByteSpan
from services.common.web import refusal, unreachable, without_query

Progress = Callable[[int], None]

_PARTS = (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT)
_REFUSED_LINK = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


class PinnedObject:
    """Gives parts of one object and of no other; several threads may ask at once.

    The storage is not paced as the archives' APIs are, but an answer that asks for a pause is obeyed.
    """

    def __init__(
        self, links: Links, asset: Asset, client: httpx.Client, *, pacer: RequestPacer, progress: Progress
    ) -> None:
        """Name the object; nothing is asked yet."""
        self.asset = asset
        self.etag: str | None = None
        self.bytes_fetched = 0
        self.requests = 0
        self._links = links
        self._client = client
        self._pacer = pacer
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
        """Have every thread that still fetches or waits stop soon, with `CancelledError`."""
        self._closed.set()
        self._connections.break_all()

    def fill(self, offset: int, view: memoryview) -> None:
        """Fill the view with the bytes from `offset` on; a connection that breaks is resumed where it broke.

        The view is released at the end: what tenacity notes of the tries refers to itself, and would keep the
        bytes until garbage is collected. Raises `NetworkError` (later, perhaps), `AssetError` (among them
        `NoRangesError`) or `DamagedDownloadError`.
        """
        part = Part(offset, view)
        patience = Patience(part)
        retrying = Retrying(
            retry=retry_if_exception_type(NetworkError),
            after=patience.count_failure,
            stop=patience.is_over,
            wait=patience.pause,
            sleep=self._sleep,
            reraise=True,
        )
        with view:
            retrying(self._fetch_rest, part)

    def _sleep(self, seconds: float) -> None:
        """Wait, unless the object is closed meanwhile."""
        self._closed.wait(seconds)
        self._require_open()

    def _require_open(self) -> None:
        if self._closed.is_set():
            raise CancelledError

    def _fetch_rest(self, part: Part) -> None:
        """Ask once for what a part lacks."""
        location = self._current_location()
        asked = part.rest
        try:
            with self._client.stream(
                "GET",
                location.address,
                headers=self._headers(location, asked),
                extensions=self._connections.extensions,
            ) as response:
                self._require(response, location, asked)
                self._receive(response, part)
        except httpx.HTTPError as error:
            raise unreachable(location.address, error, self.asset.path) from error

    def _headers(self, location: Location, asked: ByteSpan) -> dict[str, str]:
        pinned = {} if self.etag is None else {"If-Match": self.etag}
        return {
            **location.headers,
            **pinned,
            "Accept-Encoding": "identity",
            "Range": f"bytes={asked.offset}-{asked.end - 1}",
        }

    def _current_location(self) -> Location:
        """Return where the object lies; one thread asks the archive for all."""
        with self._locating:
            self._require_open()
            if self._location is None:
                self._location = self._links.resolve(self.asset)
            return self._location

    def _forget(self, location: Location) -> None:
        """Have the next request ask the archive for another link, unless somebody did already."""
        with self._locating:
            if self._location is location:
                self._location = None

    def _require(self, response: httpx.Response, location: Location, asked: ByteSpan) -> None:
        """Raise unless the answer holds the part, of the pinned object; the first answer pins it."""
        with self._lock:
            self.requests += 1
        if response.status_code not in _PARTS:
            raise self._refused(response, location)
        require_part(response, asked, self.asset, self.etag)
        if self.etag is None:
            self.etag = identify(response, self.asset)

    def _refused(self, response: httpx.Response, location: Location) -> Exception:
        path = self.asset.path
        if response.status_code == HTTPStatus.PRECONDITION_FAILED:
            return changed(self.asset)
        if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return DamagedDownloadError(
                f"{path}: the archive lists {self.asset.size} bytes, and its file ends before them."
            )
        if response.status_code in _REFUSED_LINK:
            self._forget(location)
            return ExpiredLinkError(
                f"{path}: the storage behind the archive answered {response.status_code} to its link "
                f"({without_query(location.address)}), as when it has expired; a new one is asked for."
            )
        return refusal(response.status_code, response.headers, str(response.url), self._pacer, path)

    def _receive(self, response: httpx.Response, part: Part) -> None:
        for block in response.iter_raw():
            self._require_open()
            if len(block) > part.rest.length:
                part.restart()
                raise NetworkError(
                    f"{self.asset.path}: the answer is longer than the part that was asked for."
                )
            part.append(block)
            with self._lock:
                self.bytes_fetched += len(block)
                self._progress(len(block))
        if not part.is_full:
            raise NetworkError(f"{self.asset.path}: the answer ended before the part that was asked for did.")
