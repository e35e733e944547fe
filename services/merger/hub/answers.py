"""What an answer of the hub means, or none: wait, or do what the sentence says."""

import re
from collections.abc import Iterator
from http import HTTPStatus
from ssl import SSLCertVerificationError

import httpx2
from huggingface_hub.utils import parse_ratelimit_headers

from services.common.errors import HubError, NetworkError
from services.common.hub_target import HubTarget
from services.common.masking import masked
from services.common.retry_after import retry_after_seconds

NO_ROOM = frozenset(
    {HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.INSUFFICIENT_STORAGE}
)
_WAIT = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
_LASTING = frozenset({HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.INSUFFICIENT_STORAGE})
_FULL = re.compile(r"(?i)\b(quota|storage|billing|payment)\b")
_TEXT_LIMIT = 300


def is_passing(status: int) -> bool:
    """Tell whether an answer of this status may be another one soon."""
    return status in _WAIT or (status >= HTTPStatus.INTERNAL_SERVER_ERROR and status not in _LASTING)


def asks_to_wait(response: httpx2.Response) -> NetworkError | None:
    """Return the error of an answer that may be another one soon; None for any other."""
    if not is_passing(response.status_code) and not _is_creating_elsewhere(response):
        return None
    phrase = f"{response.status_code} {response.reason_phrase}".strip()
    return NetworkError(
        f"{address(response.request)} answered {phrase}.", retry_after=_asked_seconds(response)
    )


def unreachable(place: str, error: httpx2.RequestError) -> NetworkError | HubError:
    """Tell that no whole answer came; of the cause only its kind, for its text may hold a signed link."""
    if any(isinstance(link, SSLCertVerificationError) for link in causes(error)):
        return HubError(f"The certificate of {place} is not trusted; name its authority in SSL_CERT_FILE.")
    if isinstance(error, httpx2.UnsupportedProtocol):
        return HubError(f"{place} is no address of a hub; write HF_ENDPOINT as https://host.")
    if isinstance(error, httpx2.TimeoutException):
        return NetworkError(f"{place} was silent for too long ({type(error).__name__}).")
    return NetworkError(f"{place} could not be reached, or the connection broke ({type(error).__name__}).")


def refusal(status: int, message: str, target: HubTarget) -> HubError:
    """Return the error of an answer that would be the same again, and what to do about it."""
    said = f"({status}: {message})" if message else f"({status})"
    organisation, where = target.repository.partition("/")[0], target.endpoint
    if status in NO_ROOM or (status == HTTPStatus.FORBIDDEN and _FULL.search(message)):
        return HubError(
            f"{organisation} has no room left at {where} {said}; buy storage there, or free some."
        )
    if status == HTTPStatus.UNAUTHORIZED:
        return HubError(
            f"{where} was shown no token, or does not accept it {said}: log in with `hf auth login`, or put "
            "a valid one in HF_TOKEN, or in the file that HF_TOKEN_PATH names."
        )
    if status == HTTPStatus.FORBIDDEN:
        return HubError(
            f"Your token has no right to write to {target.repository} at {where} {said}: make one with write "
            f"access to {organisation}, and see that you are a member of it who may write."
        )
    if status == HTTPStatus.NOT_FOUND:
        return HubError(
            f"{where} has no {target.repository}, no {organisation}, or does not let your token see it "
            f"{said}: correct the name, or log in with `hf auth login`."
        )
    return HubError(f"{where} does not take the push to {target} {said}.")


def address(request: httpx2.Request) -> str:
    """Return what was asked, without its query: signed links are secrets."""
    return f"{request.method} {request.url.copy_with(query=None, username=None, password=None)}"


def short(text: str) -> str:
    """Return what a server said as a part of a line, without secrets."""
    return masked(" ".join(text.split()))[:_TEXT_LIMIT]


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, and what led to it, also where its raiser wanted to hide that."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


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
