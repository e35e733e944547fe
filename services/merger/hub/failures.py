"""What the hub's libraries raise, as a table: what may go better soon is a `NetworkError`, else a `HubError`.

An upload by LFS hides its cause in a RuntimeError, Xet hides every answer in a ConnectionError: the whole
chain of causes is looked through.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from json import JSONDecodeError
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

from services.common.errors import HubError, NetworkError, SpikemillError
from services.common.hub_target import HubTarget
from services.merger.hub.answers import (
    NO_ROOM,
    address,
    asks_to_wait,
    causes,
    is_passing,
    refusal,
    short,
    unreachable,
)


class MovedError(NetworkError):
    """Somebody else committed meanwhile; what is there now is to be compared anew."""


class LostAnswerError(NetworkError):
    """Whether a commit was applied is not known; its repository says."""


class UploadError(NetworkError):
    """A file did not arrive, or its answer was lost: the hub is asked anew whether it has it."""


@contextmanager
def told_failures(target: HubTarget) -> Iterator[None]:
    """Raise what the libraries raise as one of our errors; what is not about the hub stays as it is."""
    try:
        yield
    except SpikemillError:
        raise
    except Exception as error:
        failure = failure_of(error, target)
        if failure is None:
            raise
        raise failure from error


def failure_of(error: BaseException, target: HubTarget) -> SpikemillError | None:
    """Look an error and its causes up in the table; None where nothing in it is about the hub."""
    chain = list(causes(error))
    for position, link in enumerate(chain):
        for kind, tell in _TABLE:
            if isinstance(link, kind):
                failure = tell(link, target)
                in_storage = any(type(outer) is RuntimeError for outer in chain[:position])
                return _of_storage(failure, link) if in_storage else failure
    return None


def _of_storage(failure: SpikemillError, error: BaseException) -> SpikemillError:
    """Tell a refusal by the storage from one by the hub: it is about a link, which the hub may make anew."""
    if not isinstance(error, HfHubHTTPError) or error.response.status_code in NO_ROOM:
        return failure
    response = error.response
    if is_passing(response.status_code):
        return failure
    return UploadError(f"{address(response.request)} did not take the file ({response.status_code}).")


def _answered(error: HfHubHTTPError, target: HubTarget) -> SpikemillError:
    status = error.response.status_code
    if status in _MOVED:
        return MovedError(f"{target} was changed by somebody else during the push ({status}).")
    return asks_to_wait(error.response) or refusal(status, short(error.server_message or ""), target)


def _no_repository(error: RepositoryNotFoundError, target: HubTarget) -> SpikemillError:
    # The hub may say 401 for what is only hidden.
    return refusal(HTTPStatus.NOT_FOUND, short(error.server_message or ""), target)


def _xet(error: Exception, target: HubTarget) -> SpikemillError:
    found = _STATUS_IN_TEXT.search(str(error))
    status = int(found[1]) if found else None
    if status is None and isinstance(error, XetAuthenticationError):
        status = HTTPStatus.UNAUTHORIZED
    if status is None or is_passing(status) or status in _MOVED:
        told = status or type(error).__name__
        return NetworkError(f"The Xet storage of {target.endpoint} could not be used ({told}).")
    return refusal(status, "Xet", target)


def _offline(_error: Exception, _target: HubTarget) -> SpikemillError:
    return HubError("The hub may not be asked while HF_HUB_OFFLINE is set; unset it, then push again.")


def _disabled(_error: Exception, target: HubTarget) -> SpikemillError:
    return HubError(f"{target.repository} was disabled by the hub; ask its support.")


def _no_branch(_error: Exception, target: HubTarget) -> SpikemillError:
    return MovedError(f"The branch of {target} is gone; somebody else removed it during the push.")


def _unreachable(error: httpx2.RequestError, target: HubTarget) -> SpikemillError:
    return unreachable(target.endpoint, error)


def _no_address(error: Exception, target: HubTarget) -> SpikemillError:
    return HubError(f"{target.endpoint} is no address of a hub ({error}); write HF_ENDPOINT as https://host.")


def _no_json(_error: Exception, target: HubTarget) -> SpikemillError:
    return NetworkError(f"{target.endpoint} answered something that is no answer of a hub.")


def _not_taken(error: Exception, target: HubTarget) -> SpikemillError:
    return HubError(f"{target.endpoint} does not take the push to {target}: {short(str(error))}")


_MOVED = frozenset({HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED})
_STATUS_IN_TEXT = re.compile(r"\bstatus\b[^()]{0,60}\((\d{3})\b")
_TABLE: tuple[tuple[type[BaseException], Callable[[Any, HubTarget], SpikemillError]], ...] = (
    (SpikemillError, lambda error, _target: error),
    (OfflineModeIsEnabled, _offline),
    (RepositoryNotFoundError, _no_repository),
    (RevisionNotFoundError, _no_branch),
    (DisabledRepoError, _disabled),
    (HfHubHTTPError, _answered),
    (httpx2.RequestError, _unreachable),
    (httpx2.InvalidURL, _no_address),
    (JSONDecodeError, _no_json),
    (XetAuthenticationError, _xet),
    (ConnectionError, _xet),
    (TimeoutError, _xet),
    # The library's own word for a bad card, a bad name, or objects that the storage does not want.
    (ValueError, _not_taken),
)
"""The first line that fits decides."""
