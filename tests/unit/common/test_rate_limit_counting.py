"""How many requests a limiter let through."""

from spikemill.services.common.rate_limit import CountingRateLimiter
from tests.servers.noting_limiter import NotingLimiter


def test_every_slot_is_counted_and_all_is_asked_of_the_limiter_below() -> None:
    below = NotingLimiter()
    limiter = CountingRateLimiter(below)
    limiter.wait_for_slot("a")
    limiter.wait_for_slot("b")
    limiter.defer("a", 3.0)
    assert limiter.requests == 2
    assert (below.slots, below.deferred) == (["a", "b"], [("a", 3.0)])
