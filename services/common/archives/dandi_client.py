"""The dandi client, rate-limited and without its own retries."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import requests
from dandi.consts import DandiInstance
from dandi.dandiapi import DandiAPIClient
from requests.adapters import HTTPAdapter

from spikemill.services.common.http import (
    CONNECT_SECONDS,
    READ_SECONDS,
    USER_AGENT,
    host_of,
    refusal,
    unreachable,
)
from spikemill.services.common.rate_limit import RateLimiter

_MOVED = range(HTTPStatus.MULTIPLE_CHOICES, HTTPStatus.BAD_REQUEST)


@contextmanager
def listing_client(api: str, limiter: RateLimiter) -> Iterator[Callable[[str, dict[str, Any] | None], Any]]:
    """Give a function that gets JSON from an address of the API; raises `NetworkError` or `AssetError`."""
    os.environ["DANDI_NO_ET"] = "1"  # else it reports each use to etelemetry
    # It logs a traceback for each failure, which reaches the caller as an error anyway.
    logging.getLogger("dandi").setLevel(logging.CRITICAL)
    with DandiAPIClient(dandi_instance=DandiInstance(name="dandi", gui=None, api=api)) as client:
        for scheme in ("http://", "https://"):
            client.session.mount(scheme, _RateLimitedAdapter(limiter))
        client.session.headers["User-Agent"] = USER_AGENT

        def get(address: str, params: dict[str, Any] | None) -> Any:
            try:
                return client.get(address, params=params)
            except requests.RequestException as error:
                raise unreachable(address, error) from error

        yield get


class _RateLimitedAdapter(HTTPAdapter):
    """Sends each request once, after its slot has come.

    The client retries the errors of `requests` for more than a minute, but not ours: the ledger stays the
    only layer that retries.
    """

    def __init__(self, limiter: RateLimiter) -> None:
        super().__init__()
        self._limiter = limiter

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send one request; the client itself sets no timeout."""
        address = request.url or ""
        self._limiter.wait_for_slot(host_of(address))
        kwargs["timeout"] = (CONNECT_SECONDS, READ_SECONDS)
        try:
            response = super().send(request, *args, **kwargs)
            # Read here: a body that breaks off later is an error that the client would retry.
            _ = response.content
        except requests.RequestException as error:
            raise unreachable(address, error) from error
        if response.status_code != HTTPStatus.OK and response.status_code not in _MOVED:
            raise refusal(response.status_code, response.headers, address, self._limiter)
        return response
