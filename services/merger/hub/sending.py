"""Requests to the hub and its storage: none waits for ever, most are tried again, one host gets the token."""

import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import httpx2

from services.common.errors import HubError, NetworkError
from services.merger.hub.answers import address, asks_to_wait, unreachable
from services.merger.hub.failures import LostAnswerError, UploadError
from services.merger.hub.patience import Patience

_COMMIT = re.compile(r"/api/datasets/[^/]+/[^/]+/commit/")
_log = logging.getLogger(__name__)


class Cargo:
    """The file that is being uploaded, which another try reads again, and the bytes that have arrived."""

    def __init__(self) -> None:
        """Carry nothing."""
        self._file: BinaryIO | None = None
        self._arrived: list[int] = []

    @property
    def arrived(self) -> int:
        """How many bytes of files were taken."""
        return sum(self._arrived)

    @contextmanager
    def carrying(self, file: BinaryIO) -> Iterator[None]:
        """Let the bodies of requests be read from this file, from its begin on."""
        file.seek(0)
        self._file = file
        try:
            yield
        finally:
            self._file = None

    def position(self, request: httpx2.Request) -> int:
        """Return where the body of a request begins; a body from nowhere known is read into memory."""
        if self._file is None:
            request.read()
            return 0
        return self._file.tell()

    def rewind(self, position: int) -> None:
        """Go back to the begin of a body."""
        if self._file is not None:
            self._file.seek(position)

    def fills(self, request: httpx2.Request) -> bool:
        """Tell whether the body of a request is all of the file."""
        if self._file is None:
            return False
        return request.headers.get("Content-Length") == str(os.fstat(self._file.fileno()).st_size)

    def took(self, size: int) -> None:
        """Count bytes that arrived."""
        self._arrived.append(size)

    def size(self, request: httpx2.Request, position: int) -> int:
        """Return the size of a body that was sent from its begin on."""
        return len(request.read()) if self._file is None else self._file.tell() - position


class PatientClient(httpx2.Client):
    """The HTTP client that the hub's library uses during a push."""

    def __init__(self, patience: Patience, cargo: Cargo, trusted: httpx2.URL | None) -> None:
        """Send a token to nobody but the `trusted` host."""
        super().__init__(follow_redirects=True)
        self._patience = patience
        self._cargo = cargo
        self._trusted = trusted

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send a request, with limits and several tries; raises `NetworkError` where none is answered."""
        only_try = self._only_try(request)
        is_commit = only_try is LostAnswerError
        self._limit(request, self._patience.commit if is_commit else self._patience.silence)
        self._keep_token(request)
        begin = self._cargo.position(request)
        failures = 0
        while True:
            answer = self._try_once(request, options)
            if isinstance(answer, httpx2.Response):
                if request.method == "PUT" and answer.is_success:
                    self._cargo.took(self._cargo.size(request, begin))
                return answer
            if only_try is not None:
                raise only_try(str(answer), retry_after=answer.retry_after)
            failures += 1
            pause = self._patience.pause(failures, answer.retry_after)
            if pause is None:
                raise answer
            _log.warning("%s Trying again in %.0f s.", answer, pause)
            time.sleep(pause)
            self._cargo.rewind(begin)

    def _try_once(self, request: httpx2.Request, options: dict[str, Any]) -> httpx2.Response | NetworkError:
        try:
            response = super().send(request, **options)
        except httpx2.RequestError as error:
            failure = unreachable(address(request), error)
            if isinstance(failure, HubError):
                raise failure from error
            return failure
        asked = asks_to_wait(response)
        if asked is not None:
            response.close()
        return asked or response

    def _only_try(self, request: httpx2.Request) -> type[NetworkError] | None:
        """Return what to raise at once where the hub must first be asked what came of the request."""
        if request.method == "POST" and _COMMIT.match(request.url.path):
            return LostAnswerError
        if request.method == "PUT" and self._cargo.fills(request):
            return UploadError
        return None

    def _limit(self, request: httpx2.Request, silence: float) -> None:
        """Set time limits, also where the library wants none."""
        limits = httpx2.Timeout(silence, connect=self._patience.connect)
        request.extensions = {**request.extensions, "timeout": limits.as_dict()}

    def _keep_token(self, request: httpx2.Request) -> None:
        """Take the token from a request to another host; the library adds it to some by itself."""
        if self._trusted is None or _origin(request.url) != _origin(self._trusted):
            request.headers.pop("Authorization", None)


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
