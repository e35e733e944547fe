"""How fast a build goes, and how long the rest will take."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spikemill.services.cli.watch import Pace, Snapshot
from spikemill.services.common.ledger.build_queries import AssetBytes

TakeSnapshot = Callable[..., Snapshot]


def test_the_rate_is_that_of_the_recent_past(take_snapshot: TakeSnapshot) -> None:
    pace = Pace()
    for second in range(101):
        # slow for a minute, then fast
        pace.note(take_snapshot(second, tokens=second if second <= 60 else 60 + 100 * (second - 60)))
    assert pace.tokens_per_second() == pytest.approx(100)


def test_one_look_tells_no_rate(take_snapshot: TakeSnapshot) -> None:
    pace = Pace()
    assert pace.tokens_per_second() == 0
    pace.note(take_snapshot(5, tokens=100))
    assert pace.tokens_per_second() == 0
    assert pace.seconds_left() is None


def test_time_left_goes_by_bytes(take_snapshot: TakeSnapshot) -> None:
    pace = Pace()
    pace.note(take_snapshot(0, bytes=AssetBytes(1000, 500)))
    pace.note(take_snapshot(20, bytes=AssetBytes(1000, 600)))
    assert pace.seconds_left() == pytest.approx(80)


def test_while_a_source_is_not_listed_nobody_knows(take_snapshot: TakeSnapshot) -> None:
    pace = Pace()
    unlisted = {"sealed": False}
    pace.note(take_snapshot(0, source=unlisted, bytes=AssetBytes(1000, 0)))
    pace.note(take_snapshot(10, source=unlisted, bytes=AssetBytes(1000, 500)))
    assert pace.seconds_left() is None
    # from when all is listed the clock starts anew
    pace.note(take_snapshot(20, bytes=AssetBytes(2000, 1000)))
    assert pace.seconds_left() is None
    pace.note(take_snapshot(30, bytes=AssetBytes(2000, 1500)))
    assert pace.seconds_left() == pytest.approx(10)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(looks=st.lists(st.tuples(st.floats(0, 100), st.integers(0, 10**9)), max_size=30))
def test_neither_is_ever_negative(take_snapshot: TakeSnapshot, looks: list[tuple[float, int]]) -> None:
    pace, now, settled = Pace(), 0.0, 0
    for pause, more in looks:
        now, settled = now + pause, settled + more
        pace.note(take_snapshot(now, tokens=settled, bytes=AssetBytes(10**12, settled)))
    assert pace.tokens_per_second() >= 0
    assert (pace.seconds_left() or 0) >= 0
