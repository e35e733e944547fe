"""What answers and failures of HTTP mean."""

import httpx
import pytest

from spikemill.services.common.errors import AssetError, NetworkError
from spikemill.services.common.http import (
    CONNECT_SECONDS,
    refusal,
    strong_etag,
    unreachable,
    web_client,
    without_query,
)
from spikemill.services.common.rate_limit import Unlimited


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (202, NetworkError),
        (204, NetworkError),
        (304, NetworkError),
        (400, AssetError),
        (401, AssetError),
        (403, AssetError),
        (404, AssetError),
        (408, NetworkError),
        (410, AssetError),
        (418, AssetError),
        (425, NetworkError),
        (429, NetworkError),
        (500, NetworkError),
        (503, NetworkError),
        (599, NetworkError),
    ],
)
def test_what_an_answer_means(status: int, kind: type[Exception]) -> None:
    error = refusal(status, {}, "https://host/a?X-Amz-Signature=secret", Unlimited(), "sub-1/a.nwb")
    assert type(error) is kind
    assert str(status) in str(error)
    assert str(error).startswith("sub-1/a.nwb: https://host/a ")


def test_a_silent_server_is_told_from_a_broken_connection() -> None:
    assert "silent" in str(unreachable("http://h/a", httpx.ReadTimeout("slow")))
    assert "broke" in str(unreachable("http://h/a", httpx.ReadError("?X-Amz-Signature=secret")))


def test_no_error_holds_what_a_cause_says() -> None:
    error = unreachable("http://user:word@h/a?b", httpx.ReadError("?X-Amz-Signature=secret"))
    assert not any(secret in str(error) for secret in ("secret", "word", "?"))


def test_an_address_loses_query_and_credentials() -> None:
    assert without_query("https://user:word@host:81/a/b?X-Amz-Signature=c#d") == "https://host:81/a/b"


@pytest.mark.parametrize(
    ("headers", "etag"),
    [
        ({"ETag": '"0a1-2"'}, '"0a1-2"'),
        ({"ETag": 'W/"0a1-2"'}, None),
        ({"ETag": '"café"'}, None),
        ({"ETag": ""}, None),
        ({}, None),
    ],
)
def test_only_an_etag_that_promises_equal_bytes_is_a_condition(
    headers: dict[str, str], etag: str | None
) -> None:
    assert strong_etag(headers) == etag


def test_the_client_waits_only_so_long() -> None:
    with web_client(read=2.0) as client:
        assert client.timeout == httpx.Timeout(2.0, connect=CONNECT_SECONDS, pool=None)
        assert client.follow_redirects
