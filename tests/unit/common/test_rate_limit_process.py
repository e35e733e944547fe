"""A polite rate for one process."""

import time

import pytest

from spikemill.services.common.rate_limit import ProcessRateLimiter


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Give the pauses that are made, on a clock that only they move."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0 + sum(pauses))
    monkeypatch.setattr(time, "sleep", pauses.append)
    return pauses


def test_a_few_go_at_once_and_the_rest_at_their_rate(slept: list[float]) -> None:
    limiter = ProcessRateLimiter(per_minute=60)
    for _ in range(15):
        limiter.wait_for_slot("archive")
    assert slept == pytest.approx([0.0] * 10 + [1.0] * 5)


def test_hosts_do_not_wait_for_each_other(slept: list[float]) -> None:
    limiter = ProcessRateLimiter(per_minute=1)
    for host in ("a", "b", "c"):
        limiter.wait_for_slot(host)
    assert slept == [0.0, 0.0, 0.0]


def test_a_host_that_asked_for_time_gets_it_within_reason(slept: list[float]) -> None:
    limiter = ProcessRateLimiter(per_minute=60)
    limiter.defer("archive", 7)
    limiter.wait_for_slot("archive")
    limiter.defer("other", 7200)
    limiter.wait_for_slot("other")
    assert slept == pytest.approx([7.0, 30.0])
