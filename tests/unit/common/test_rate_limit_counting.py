"""How many requests a pacer let through."""

from spikemill.services.common.rate_limit import CountingPacer
from tests.servers.noting_pacer import NotingPacer


def test_every_slot_is_counted_and_all_is_asked_of_the_pacer_below() -> None:
    below = NotingPacer()
    pacer = CountingPacer(below)
    pacer.wait_for_slot("a")
    pacer.wait_for_slot("b")
    pacer.defer("a", 3.0)
    assert pacer.requests == 2
    assert (below.slots, below.deferred) == (["a", "b"], [("a", 3.0)])
