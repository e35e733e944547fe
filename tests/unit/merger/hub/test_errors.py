"""What each shape of error means that the hub's libraries raise."""

import json
import ssl
from collections.abc import Mapping

import httpx2
import pytest
from hf_xet import XetAuthenticationError
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled
from huggingface_hub.utils._http import hf_raise_for_status
from huggingface_hub.utils._validators import validate_repo_id

from spikemill.services.common.errors import HubError, NetworkError, SpikemillError, StoreError
from spikemill.services.common.hub_target import HubTarget
from spikemill.services.merger.hub.errors import (
    LostAnswerError,
    MovedError,
    UploadError,
    error_of,
    translate_errors,
)

TARGET = HubTarget("lab/spikes", endpoint="https://hub.example")
API = "https://hub.example/api/datasets/lab/spikes/preupload/main"
STORAGE = "https://storage.example/lfs/1?X-Amz-Signature=0123456789abcdef"


def answered(
    status: int,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    url: str = API,
    method: str = "POST",
) -> HfHubHTTPError:
    """Return what the library raises for an answer."""
    response = httpx2.Response(
        status,
        headers=headers,
        content=body,
        request=httpx2.Request(method, url, headers={"Authorization": "x"}),
    )
    with pytest.raises(HfHubHTTPError) as raised:
        hf_raise_for_status(response)
    return raised.value


def in_upload(cause: BaseException) -> RuntimeError:
    """Return what an upload by LFS makes of an error."""
    error = RuntimeError("Error while uploading 'data/1.parquet' to the Hub.")
    error.__cause__ = cause
    return error


def told(error: BaseException) -> SpikemillError:
    failure = error_of(error, TARGET)
    assert failure is not None
    return failure


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 520])
@pytest.mark.parametrize("hide", [lambda error: error, in_upload])
def test_answers_that_may_be_others_soon(status: int, hide: object) -> None:
    assert callable(hide)
    failure = told(hide(answered(status, {"Retry-After": "7"})))

    assert isinstance(failure, NetworkError)
    assert failure.retry_after == 7
    assert str(status) in str(failure)


def test_the_pause_of_a_rate_limit_is_read_too() -> None:
    failure = told(answered(429, {"RateLimit": '"api";r=0;t=55'}))

    assert isinstance(failure, NetworkError)
    assert failure.retry_after == 55


@pytest.mark.parametrize("status", [409, 412])
def test_answers_that_say_somebody_was_faster(status: int) -> None:
    assert isinstance(told(answered(status)), MovedError)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            answered(400, body=b'{"error": "bad file"}'),
            "does not take the push to lab/spikes (400: bad file)",
        ),
        (answered(401, {"X-Error-Message": "Invalid credentials in Authorization header"}), "hf auth login"),
        (answered(403), "no right to write to lab/spikes"),
        (answered(403, body=b'{"error": "Storage quota exceeded"}'), "no room left"),
        (answered(402), "buy storage"),
        (answered(404), "https://hub.example has no lab/spikes"),
        (answered(401), "https://hub.example has no lab/spikes"),
        (answered(404, {"X-Error-Code": "RepoNotFound"}), "correct the name, or log in"),
        (answered(404, {"X-Error-Code": "EntryNotFound"}), "has no lab/spikes"),
        (answered(403, {"X-Error-Code": "GatedRepo"}), "does not let your token see it"),
        (
            answered(403, {"X-Error-Message": "Access to this resource is disabled."}),
            "was disabled by the hub",
        ),
        (answered(413), "no room left"),
        (answered(422, body=b'{"error": "no"}'), "(422: no)"),
        (answered(501), "(501)"),
        (in_upload(answered(507)), "no room left"),
        (ValueError("Invalid metadata in README.md.\n- license is no licence"), "license is no licence"),
        (ValueError("LFS batch API returned errors:\ntoo large"), "too large"),
        (in_upload(ValueError("Malformed response from server")), "Malformed response"),
        (OfflineModeIsEnabled("offline"), "unset it"),
        (HFValidationError("Repo id must be in the form"), "Repo id must be"),
        (httpx2.UnsupportedProtocol("no protocol"), "write HF_ENDPOINT as https://host"),
        (httpx2.InvalidURL("bad"), "write HF_ENDPOINT as https://host"),
        (ConnectionError("HTTP status client error (401 Unauthorized) for url (https://x)"), "hf auth login"),
        (ConnectionError("error: HTTP status client error (403 Forbidden)"), "no right to write"),
        (ConnectionError("HTTP status client error (404 Not Found) for url"), "has no lab/spikes"),
        (XetAuthenticationError("token refused"), "hf auth login"),
    ],
)
def test_refusals_that_would_be_the_same_again(error: BaseException, text: str) -> None:
    failure = told(error)

    assert type(failure) is HubError
    assert text in str(failure)


@pytest.mark.parametrize(
    "error",
    [
        httpx2.ConnectError("refused"),
        httpx2.ConnectTimeout("slow"),
        httpx2.ReadError("reset"),
        httpx2.WriteError("reset"),
        httpx2.ReadTimeout("silent"),
        httpx2.WriteTimeout("silent"),
        httpx2.PoolTimeout("busy"),
        httpx2.RemoteProtocolError("closed"),
        httpx2.ProxyError("no"),
        httpx2.TooManyRedirects("round and round"),
        json.JSONDecodeError("Expecting value", "<html>", 0),
        ConnectionError("Network error: error sending request for url (https://x)"),
        ConnectionError("HTTP status server error (503 Service Unavailable) for url (https://x)"),
        ConnectionError("HTTP status client error (429 Too Many Requests) for url (https://x)"),
        ConnectionResetError("reset"),
        TimeoutError("timed out"),
        answered(404, {"X-Error-Code": "RevisionNotFound"}),
    ],
)
@pytest.mark.parametrize("hide", [lambda error: error, in_upload])
def test_troubles_that_may_pass(error: BaseException, hide: object) -> None:
    assert callable(hide)
    assert isinstance(told(hide(error)), NetworkError)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412])
def test_a_storage_that_takes_no_file_is_asked_for_anew_and_its_link_is_a_secret(status: int) -> None:
    failure = told(in_upload(answered(status, url=STORAGE, method="PUT")))

    assert type(failure) is UploadError
    assert "PUT https://storage.example/lfs/1 " in str(failure)
    assert "Signature" not in str(failure)


def test_our_own_errors_come_out_of_any_wrapping() -> None:
    lost = LostAnswerError("lost")

    assert told(in_upload(lost)) is lost
    with pytest.raises(StoreError, match="full"), translate_errors(TARGET):
        raise StoreError("full")


def test_a_certificate_that_nobody_knows_does_not_pass() -> None:
    error = httpx2.ConnectError("handshake")
    error.__cause__ = ssl.SSLCertVerificationError("self-signed")

    assert isinstance(told(error), HubError)
    assert "SSL_CERT_FILE" in str(told(error))


def test_what_a_server_says_is_cut_and_masked() -> None:
    failure = told(answered(400, body=json.dumps({"error": "hf_abcdefghijkl " + "x" * 5_000}).encode()))

    assert "hf_abc" not in str(failure)
    assert len(str(failure)) < 500


@pytest.mark.parametrize(
    "error", [KeyError("files"), AttributeError("get"), RuntimeError("Operation cancelled")]
)
def test_a_defect_is_no_failure_of_the_hub(error: Exception) -> None:
    assert error_of(error, TARGET) is None
    with pytest.raises(type(error)), translate_errors(TARGET):
        raise error


def test_a_chain_of_causes_that_ends_nowhere_is_looked_through_once() -> None:
    first, second = RuntimeError("a"), RuntimeError("b")
    first.__cause__, second.__cause__ = second, first

    assert error_of(first, TARGET) is None


def test_names_that_are_none_are_the_librarys_word() -> None:
    with pytest.raises(HubError, match=r"lab/spi\.\.kes"), translate_errors(TARGET):
        validate_repo_id("lab/spi..kes")
