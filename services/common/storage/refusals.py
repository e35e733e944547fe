"""What an S3-speaking server or its client says no with, told so that a person knows what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from boto3.exceptions import Boto3Error
from botocore import exceptions as client_errors
from botocore.exceptions import BotoCoreError, ClientError

from services.common.errors import StoreAwayError, StoreError, StoreSettingsError
from services.common.storage.address import ObjectAddress

BROKEN_OFF = (client_errors.IncompleteReadError, client_errors.ResponseStreamingError)
"""An answer that began, and did not come to its end."""
ABSENT_KEY = frozenset({"NoSuchKey", "404"})
ALREADY_THERE = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
BEYOND_THE_END = "InvalidRange"

_AWAY = (client_errors.ConnectionError, client_errors.HTTPClientError, *BROKEN_OFF)
_WAIT = frozenset({"SlowDown", "RequestTimeout", "Throttling", "TooManyRequests"})
_OTHER_REGION = frozenset({"PermanentRedirect", "AuthorizationHeaderMalformed", "301"})


@contextmanager
def refusals(address: ObjectAddress) -> Iterator[None]:
    """Raise a StoreError where a request to the store's server comes to nothing.

    Of what the client says only the kind is repeated: its text may hold a signed address.
    """
    try:
        yield
    except ClientError as error:
        raise _refused(error, address) from error
    except client_errors.SSLError as error:
        raise StoreSettingsError(
            f"The certificate of {address.server} is not trusted; name its authority in AWS_CA_BUNDLE."
        ) from error
    except _AWAY as error:
        raise _away(error, address) from error
    except BotoCoreError as error:
        raise StoreSettingsError(_no_way_in(type(error).__name__, address)) from error
    except Boto3Error as error:
        # A transfer in parts hides what the server said.
        cause = error.__context__
        raise (
            _refused(cause, address) if isinstance(cause, ClientError) else _away(error, address)
        ) from error


def code_of(error: ClientError) -> str:
    """Return the server's own word for its refusal."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _refused(error: ClientError, address: ObjectAddress) -> StoreError:
    code = code_of(error)
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    told = code if code == str(status) else f"{status} {code}"
    return (
        _wrong_settings(code, status, told, address)
        or _passing(code, status, told, address)
        or StoreError(f"{address} does not accept {error.operation_name} ({told}); see its server's log.")
    )


def _wrong_settings(code: str, status: int, told: str, address: ObjectAddress) -> StoreSettingsError | None:
    if code == "NoSuchBucket":
        return StoreSettingsError(
            f"There is no bucket {address.bucket} at {address.server}; make it, or correct SPIKEMILL_STORE."
        )
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return StoreSettingsError(_no_way_in(told, address))
    if code in _OTHER_REGION:
        return StoreSettingsError(
            f"The bucket {address.bucket} stands in another region ({told}); name it in AWS_DEFAULT_REGION."
        )
    if status == HTTPStatus.NOT_IMPLEMENTED:
        return StoreSettingsError(
            f"The server of {address} cannot do what a store needs ({told}): conditional writes, ranges and "
            "uploads in parts; use another one."
        )
    return None


def _passing(code: str, status: int, told: str, address: ObjectAddress) -> StoreAwayError | None:
    if code in _WAIT or status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT):
        return StoreAwayError(f"The store's server ({address.server}) asks to wait ({told}).")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return StoreAwayError(
            f"The store's server ({address.server}) is in trouble ({told}); see its log if it stays so."
        )
    return None


def _away(error: Exception, address: ObjectAddress) -> StoreAwayError:
    return StoreAwayError(
        f"The store's server ({address.server}) could not be reached, or the connection broke "
        f"({type(error).__name__}); see that it runs and that SPIKEMILL_STORE_ENDPOINT names it."
    )


def _no_way_in(told: str, address: ObjectAddress) -> str:
    return (
        f"The store {address} lets nobody in with these credentials ({told}): set "
        "SPIKEMILL_STORE_ACCESS_KEY_ID and SPIKEMILL_STORE_SECRET_ACCESS_KEY, or AWS's own variables or "
        "files, to a key that may read, write, list and delete there."
    )
