"""`huggingface_hub` for one push: time limits, retries, and a token that stays secret."""

import logging
import os
import re
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any, BinaryIO

import httpx2
from huggingface_hub import HfApi, constants, get_token, is_offline_mode, set_client_factory
from huggingface_hub.errors import OfflineModeIsEnabled
from huggingface_hub.utils import disable_progress_bars
from huggingface_hub.utils import logging as hub_logging
from huggingface_hub.utils._http import default_client_factory

from spikemill.services.common.errors import HubError, NetworkError, hide
from spikemill.services.common.hub_target import HubTarget, endpoint
from spikemill.services.common.retry import Backoff
from spikemill.services.merger.hub.errors import (
    LostAnswerError,
    UploadError,
    address,
    asks_to_wait,
    translate_errors,
    unreachable,
)

_COMMIT = re.compile(r"/api/datasets/[^/]+/[^/]+/commit/")
_log = logging.getLogger(__name__)


class UploadCounter:
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
    def sending(self, file: BinaryIO) -> Iterator[None]:
        """Let the bodies of requests be read from this file, from the start."""
        file.seek(0)
        self._file = file
        try:
            yield
        finally:
            self._file = None

    def position(self, request: httpx2.Request) -> int:
        """Return where the body of a request begins; a body that is not a seekable file is buffered."""
        if self._file is None:
            request.read()
            return 0
        return self._file.tell()

    def rewind(self, position: int) -> None:
        """Go back to the begin of a body."""
        if self._file is not None:
            self._file.seek(position)

    def is_whole_file(self, request: httpx2.Request) -> bool:
        """Tell whether the body of a request is all of the file."""
        if self._file is None:
            return False
        return request.headers.get("Content-Length") == str(os.fstat(self._file.fileno()).st_size)

    def add(self, size: int) -> None:
        """Count bytes that arrived."""
        self._arrived.append(size)

    def size(self, request: httpx2.Request, position: int) -> int:
        """Return the size of a body that was sent from the start."""
        return len(request.read()) if self._file is None else self._file.tell() - position


@dataclass(frozen=True, slots=True)
class RequestLimits(Backoff):
    """The tries of one request, the pauses between them, and the seconds that the hub may be silent."""

    tries: int = 6
    connect: float = 10.0
    silence: float = 60.0
    commit: float = 300.0
    """A commit of many files is answered late."""


@dataclass(frozen=True, slots=True)
class Hub:
    """The hub that a target names, as one push uses it."""

    api: HfApi
    target: HubTarget
    backoff: RequestLimits
    counter: UploadCounter


@contextmanager
def connected(target: HubTarget, backoff: RequestLimits) -> Iterator[Hub]:
    """Give the hub of a target, and put the library back into its own state at the end.

    Raises `HubError` where the library may not be used.
    """
    counter = UploadCounter()
    is_own = target.endpoint == endpoint()
    with translate_errors(target):
        if is_offline_mode():
            raise OfflineModeIsEnabled
        trusted = httpx2.URL(target.endpoint) if is_own else None
    with _quiet(), _client(partial(RetryingClient, backoff, counter, trusted)):
        with translate_errors(target):
            token = _token() if is_own else None
        api = HfApi(
            endpoint=target.endpoint,
            token=token or False,
            library_name="spikemill",
            library_version=version("spikemill"),
        )
        yield Hub(api, target, backoff, counter)


def has_token(target: HubTarget) -> bool:
    """Tell whether this process has a token for the hub of a target; raises `HubError` as a push would."""
    return target.endpoint == endpoint() and _token() is not None


def _token() -> str | None:
    """Return the token of this process, which from now on stands in no text of ours."""
    try:
        token = get_token()
    except OSError as error:
        raise HubError(
            f"The token cannot be read from {constants.HF_TOKEN_PATH} ({error.strerror}); let this user read "
            "it, or name another file in HF_TOKEN_PATH."
        ) from error
    hide(filter(None, [token]))
    return token


class RetryingClient(httpx2.Client):
    """The HTTP client that the hub's library uses during a push."""

    def __init__(self, backoff: RequestLimits, counter: UploadCounter, trusted: httpx2.URL | None) -> None:
        """Send a token to nobody but the `trusted` host."""
        super().__init__(follow_redirects=True)
        self._backoff = backoff
        self._counter = counter
        self._trusted = trusted

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send a request, with limits and several tries; raises `NetworkError` where none is answered."""
        only_try = self._only_try(request)
        is_commit = only_try is LostAnswerError
        self._limit(request, self._backoff.commit if is_commit else self._backoff.silence)
        self._keep_token(request)
        begin = self._counter.position(request)
        failures = 0
        while True:
            answer = self._try_once(request, options)
            if isinstance(answer, httpx2.Response):
                if request.method == "PUT" and answer.is_success:
                    self._counter.add(self._counter.size(request, begin))
                return answer
            if only_try is not None:
                raise only_try(str(answer), retry_after=answer.retry_after)
            failures += 1
            pause = self._backoff.pause(failures, answer.retry_after)
            if pause is None:
                raise answer
            _log.warning("%s Trying again in %.0f s.", answer, pause)
            time.sleep(pause)
            self._counter.rewind(begin)

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
        if request.method == "PUT" and self._counter.is_whole_file(request):
            return UploadError
        return None

    def _limit(self, request: httpx2.Request, silence: float) -> None:
        """Set time limits, also where the library wants none."""
        limits = httpx2.Timeout(silence, connect=self._backoff.connect)
        request.extensions = {**request.extensions, "timeout": limits.as_dict()}

    def _keep_token(self, request: httpx2.Request) -> None:
        """Take the token from a request to another host; the library adds it to some by itself."""
        if self._trusted is None or _origin(request.url) != _origin(self._trusted):
            request.headers.pop("Authorization", None)


@contextmanager
def _client(factory: partial[RetryingClient]) -> Iterator[None]:
    """Let the library send by our client; it knows one client for all of the process."""
    set_client_factory(factory)
    try:
        yield
    finally:
        set_client_factory(default_client_factory)


@contextmanager
def _quiet() -> Iterator[None]:
    """Let the library write nothing of its own and report on nobody: what matters is told as ours."""
    verbosity, telemetry = hub_logging.get_verbosity(), constants.HF_HUB_DISABLE_TELEMETRY
    hub_logging.set_verbosity(logging.ERROR)
    constants.HF_HUB_DISABLE_TELEMETRY = True
    try:
        with warnings.catch_warnings(), disable_progress_bars():
            warnings.filterwarnings("ignore", "Use 'content=", DeprecationWarning)
            warnings.filterwarnings("ignore", "Warnings while validating metadata", UserWarning)
            yield
    finally:
        hub_logging.set_verbosity(verbosity)
        constants.HF_HUB_DISABLE_TELEMETRY = telemetry


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


BACKOFF = RequestLimits()
