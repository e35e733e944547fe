"""Archives' rate limits, shared by all workers."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, update

from spikemill.services.common.database import transaction
from spikemill.services.common.models import RequestSlot
from spikemill.services.common.rate_limit import defer_slots, take_slot

BURST = 10


def take(host: str = "archive", *, per_minute: int = 6) -> float:
    with transaction() as ledger:
        return take_slot(ledger, host, per_minute=per_minute)


def test_a_burst_is_answered_at_once_and_then_one_pause_lies_between_two() -> None:
    waits = [take() for _ in range(BURST + 3)]
    assert waits[:BURST] == [0.0] * BURST
    assert waits[BURST:] == pytest.approx([10, 20, 30], abs=5)


def test_workers_at_the_same_moment_never_get_the_same_slot() -> None:
    with ThreadPoolExecutor(4) as pool:
        waits = sorted(pool.map(lambda _: take(), range(BURST + 4)))
    assert waits[:BURST] == [0.0] * BURST
    assert waits[BURST:] == pytest.approx([10, 20, 30, 40], abs=8)


def test_a_host_that_was_left_alone_answers_a_burst_and_no_more() -> None:
    for _ in range(BURST):
        take()
    with transaction() as ledger:
        ledger.execute(update(RequestSlot).values(next_at=func.clock_timestamp() - timedelta(days=1)))
    waits = [take() for _ in range(BURST + 1)]
    assert waits[:BURST] == [0.0] * BURST
    assert waits[BURST] == pytest.approx(10, abs=5)


def test_retry_after_holds_for_everybody() -> None:
    take()
    with transaction() as ledger:
        defer_slots(ledger, "archive", 600)
    assert take() == pytest.approx(600, abs=10)
    assert take() == pytest.approx(610, abs=10)


def test_retry_after_is_never_shortened_by_a_later_shorter_one() -> None:
    with transaction() as ledger:
        defer_slots(ledger, "archive", 600)
        defer_slots(ledger, "archive", 5)
    assert take() == pytest.approx(600, abs=10)


def test_hosts_do_not_wait_for_each_other() -> None:
    with transaction() as ledger:
        defer_slots(ledger, "archive", 600)
    assert take("another") == 0.0
