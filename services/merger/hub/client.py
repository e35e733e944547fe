"""`huggingface_hub` for one push: time limits, retries, and a token that stays secret."""

import logging
import os
import re
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
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


@dataclass
class UploadCounter:
    """The file that is being uploaded, which another try reads again, and the bytes that have arrived."""

    _file: BinaryIO | None = None
    _sizes: list[int] = field(default_factory=list)

    @property
    def arrived(self) -> int:
        """How many bytes of files were taken."""
        return sum(self._sizes)

    def add(self, size: int) -> None:
        """Count bytes that arrived."""
        self._sizes.append(size)

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
        """Go back to the start of a body."""
        if self._file is not None:
            self._file.seek(position)

    def size(self, request: httpx2.Request, position: int) -> int:
        """Return the size of a body that was sent from the start."""
        return len(request.read()) if self._file is None else self._file.tell() - position

    def is_whole_file(self, request: httpx2.Request) -> bool:
        """Tell whether the body of a request is all of the file."""
        if self._file is None:
            return False
        return request.headers.get("Content-Length") == str(os.fstat(self._file.fileno()).st_size)


@dataclass(frozen=True, slots=True)
class RequestLimits(Backoff):
    """The tries of one request, the pauses between them, and the seconds that the hub may be silent."""

    tries: int = 6
    connect: float = 10.0
    silence: float = 60.0
    commit: float = 300.0
    """A commit of many files is answered late."""

    def wait(self, failures: int, error: NetworkError, then: str = "Trying again") -> None:
        """Wait after so many failures, or raise the last one where it is time to give up."""
        pause = self.pause(failures, error.retry_after)
        if pause is None:
            raise error
        _log.warning("%s %s in %.0f s.", error, then, pause)
        time.sleep(pause)


BACKOFF = RequestLimits()


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
        # The library wants no limit for some requests, and adds the token to some to other hosts.
        limits = httpx2.Timeout(
            self._backoff.commit if is_commit else self._backoff.silence, connect=self._backoff.connect
        )
        request.extensions = {**request.extensions, "timeout": limits.as_dict()}
        if self._trusted is None or _origin(request.url) != _origin(self._trusted):
            request.headers.pop("Authorization", None)
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
            self._backoff.wait(failures, answer)
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


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


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
    with _library_using(partial(RetryingClient, backoff, counter, trusted)):
        with translate_errors(target):
            token = _token() if is_own else None
        api = HfApi(
            endpoint=target.endpoint,
            token=token or False,
            library_name="spikemill",
            library_version=version("spikemill"),
        )
        yield Hub(api, target, backoff, counter)


@contextmanager
def _library_using(factory: partial[RetryingClient]) -> Iterator[None]:
    """Let the library send by our client, print nothing of its own, and send no telemetry.

    It knows one client for the whole process.
    """
    verbosity, telemetry = hub_logging.get_verbosity(), constants.HF_HUB_DISABLE_TELEMETRY
    hub_logging.set_verbosity(logging.ERROR)
    constants.HF_HUB_DISABLE_TELEMETRY = True
    set_client_factory(factory)
    try:
        with warnings.catch_warnings(), disable_progress_bars():
            warnings.filterwarnings("ignore", "Use 'content=", DeprecationWarning)
            warnings.filterwarnings("ignore", "Warnings while validating metadata", UserWarning)
            yield
    finally:
        set_client_factory(default_client_factory)
        hub_logging.set_verbosity(verbosity)
        constants.HF_HUB_DISABLE_TELEMETRY = telemetry


def has_token(target: HubTarget) -> bool:
    """Tell whether this process has a token for the hub of a target; raises `HubError` as a push would."""
    return target.endpoint == endpoint() and _token() is not None


def _token() -> str | None:
    """Return the token of this process; from now on it is masked in every text of ours."""
    try:
        token = get_token()
    except OSError as error:
        raise HubError(
            f"The token cannot be read from {constants.HF_TOKEN_PATH} ({error.strerror}); let this user read "
            "it, or name another file in HF_TOKEN_PATH."
        ) from error
    hide(filter(None, [token]))
    return token
