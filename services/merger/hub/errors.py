"""What the hub answers and its libraries raise: a `NetworkError` where it may pass, else a `HubError`."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from json import JSONDecodeError
from ssl import SSLCertVerificationError
from typing import Any

import httpx2
from hf_xet import XetAuthenticationError
from huggingface_hub.errors import (
    DisabledRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import parse_ratelimit_headers

from spikemill.services.common.errors import HubError, NetworkError, SpikemillError, masked
from spikemill.services.common.hub_target import HubTarget
from spikemill.services.common.rate_limit import retry_after_seconds
from spikemill.services.common.retry import is_transient

_MOVED = frozenset({HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED})
_STATUS_IN_TEXT = re.compile(r"\bstatus\b[^()]{0,60}\((\d{3})\b")
_NO_ROOM = frozenset(
    {HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.INSUFFICIENT_STORAGE}
)
_LASTING = frozenset({HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.INSUFFICIENT_STORAGE})
_FULL = re.compile(r"(?i)\b(quota|storage|billing|payment)\b")
_TEXT_LIMIT = 300


class MovedError(NetworkError):
    """Somebody else committed meanwhile; what is there now is to be compared anew."""


class LostAnswerError(NetworkError):
    """It is not known whether a commit was made; its repository shows it."""


class UploadError(NetworkError):
    """A file did not arrive, or its answer was lost: the hub is asked anew whether it has it."""


@contextmanager
def translate_errors(target: HubTarget) -> Iterator[None]:
    """Raise what the libraries raise as one of our errors; what is not about the hub stays as it is."""
    try:
        yield
    except SpikemillError:
        raise
    except Exception as error:
        failure = error_of(error, target)
        if failure is None:
            raise
        raise failure from error


def error_of(error: BaseException, target: HubTarget) -> SpikemillError | None:
    """Look an error and its causes up in the table; None where nothing in it is about the hub."""
    chain = list(causes(error))
    for position, link in enumerate(chain):
        for kind, translate in _TABLE:
            if isinstance(link, kind):
                failure = translate(link, target)
                in_storage = any(type(outer) is RuntimeError for outer in chain[:position])
                return _of_storage(failure, link) if in_storage else failure
    return None


def _of_storage(failure: SpikemillError, error: BaseException) -> SpikemillError:
    """Tell a refusal by the storage from one by the hub: it is about a link, which the hub may make anew."""
    if not isinstance(error, HfHubHTTPError):
        return failure
    status = error.response.status_code
    if status in _NO_ROOM or is_passing(status):
        return failure
    return UploadError(f"{address(error.response.request)} did not take the file ({status}).")


def _answered(error: HfHubHTTPError, target: HubTarget) -> SpikemillError:
    status = error.response.status_code
    if status in _MOVED:
        return MovedError(f"{target} was changed by somebody else during the push ({status}).")
    return asks_to_wait(error.response) or refusal(status, short(error.server_message or ""), target)


def _xet(error: Exception, target: HubTarget) -> SpikemillError:
    found = _STATUS_IN_TEXT.search(str(error))
    status = int(found[1]) if found else None
    if status is None and isinstance(error, XetAuthenticationError):
        status = HTTPStatus.UNAUTHORIZED
    if status is None or is_passing(status) or status in _MOVED:
        cause = status or type(error).__name__
        return NetworkError(f"The Xet storage of {target.endpoint} could not be used ({cause}).")
    return refusal(status, "Xet", target)


def _says(kind: type[SpikemillError], text: str) -> Callable[[Any, HubTarget], SpikemillError]:
    return lambda error, target: kind(text.format(error=short(str(error)), target=target))


# First match wins.
_TABLE: tuple[tuple[type[BaseException], Callable[[Any, HubTarget], SpikemillError]], ...] = (
    (SpikemillError, lambda error, _target: error),
    (
        OfflineModeIsEnabled,
        _says(HubError, "The hub may not be asked while HF_HUB_OFFLINE is set; unset it, then push again."),
    ),
    # The hub may answer 401 for what is only hidden.
    (
        RepositoryNotFoundError,
        lambda error, target: refusal(HTTPStatus.NOT_FOUND, short(error.server_message or ""), target),
    ),
    (
        RevisionNotFoundError,
        _says(MovedError, "The branch of {target} is gone; somebody else removed it during the push."),
    ),
    (DisabledRepoError, _says(HubError, "{target.repository} was disabled by the hub; ask its support.")),
    (HfHubHTTPError, _answered),
    (httpx2.RequestError, lambda error, target: unreachable(target.endpoint, error)),
    (
        httpx2.InvalidURL,
        _says(
            HubError,
            "{target.endpoint} is not the address of a hub ({error}); write HF_ENDPOINT as https://host.",
        ),
    ),
    (
        JSONDecodeError,
        _says(NetworkError, "{target.endpoint} did not answer like a hub."),
    ),
    (XetAuthenticationError, _xet),
    (ConnectionError, _xet),
    (TimeoutError, _xet),
    # The library's own word for a bad card, a bad name, or objects that the storage does not want.
    (ValueError, _says(HubError, "{target.endpoint} does not take the push to {target}: {error}")),
)


def is_passing(status: int) -> bool:
    """Tell whether an answer of this status may be another one soon."""
    return is_transient(status) and status not in _LASTING


def asks_to_wait(response: httpx2.Response) -> NetworkError | None:
    """Return the error of an answer that may be another one soon; None for any other."""
    if not is_passing(response.status_code) and not _is_creating_elsewhere(response):
        return None
    phrase = f"{response.status_code} {response.reason_phrase}".strip()
    return NetworkError(
        f"{address(response.request)} answered {phrase}.", retry_after=_asked_seconds(response)
    )


def _is_creating_elsewhere(response: httpx2.Response) -> bool:
    """Tell whether the owner creates another repository just now; the library would ask again for ever."""
    return (
        response.status_code == HTTPStatus.CONFLICT
        and response.request.url.path.endswith("/repos/create")
        and "conflicting operation is in progress" in response.text
    )


def _asked_seconds(response: httpx2.Response) -> float | None:
    seconds = retry_after_seconds(response.headers.get("Retry-After"))
    rate = parse_ratelimit_headers(response.headers)
    if seconds is None and rate is not None and rate.remaining == 0:
        return float(rate.reset_in_seconds)
    return seconds


def unreachable(place: str, error: httpx2.RequestError) -> NetworkError | HubError:
    """Tell that no whole answer came; of the cause only its kind, for its text may hold a signed link."""
    if any(isinstance(link, SSLCertVerificationError) for link in causes(error)):
        return HubError(f"The certificate of {place} is not trusted; name its authority in SSL_CERT_FILE.")
    if isinstance(error, httpx2.UnsupportedProtocol):
        return HubError(f"{place} is not the address of a hub; write HF_ENDPOINT as https://host.")
    if isinstance(error, httpx2.TimeoutException):
        return NetworkError(f"{place} was silent for too long ({type(error).__name__}).")
    return NetworkError(f"{place} could not be reached, or the connection broke ({type(error).__name__}).")


def refusal(status: int, message: str, target: HubTarget) -> HubError:
    """Return the error of an answer that would be the same again, and what to do about it."""
    said = f"({status}: {message})" if message else f"({status})"
    organisation, where = target.repository.partition("/")[0], target.endpoint
    if status in _NO_ROOM or (status == HTTPStatus.FORBIDDEN and _FULL.search(message)):
        return HubError(
            f"{organisation} has no room left at {where} {said}; buy storage there, or free some."
        )
    texts: dict[int, str] = {
        HTTPStatus.UNAUTHORIZED: (
            f"{where} got no token, or does not accept it {said}: log in with `hf auth login`, or put "
            "a valid one in HF_TOKEN, or in the file that HF_TOKEN_PATH names."
        ),
        HTTPStatus.FORBIDDEN: (
            f"Your token has no right to write to {target.repository} at {where} {said}: make one with write "
            f"access to {organisation}, and see that you are a member of it who may write."
        ),
        HTTPStatus.NOT_FOUND: (
            f"{where} has no {target.repository}, no {organisation}, or does not let your token see it "
            f"{said}: correct the name, or log in with `hf auth login`."
        ),
    }
    return HubError(texts.get(status, f"{where} does not take the push to {target} {said}."))


def address(request: httpx2.Request) -> str:
    """Return what was asked, without its query: signed links are secrets."""
    return f"{request.method} {request.url.copy_with(query=None, username=None, password=None)}"


def short(text: str) -> str:
    """Return a server's message in one line, bounded and without secrets."""
    return masked(" ".join(text.split()))[:_TEXT_LIMIT]


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, and what led to it, also where its raiser wanted to hide that."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
