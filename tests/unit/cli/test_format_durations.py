"""Durations as people type them."""

from datetime import timedelta

import pytest

from spikemill.services.cli.format import parse_duration
from spikemill.services.common.errors import CallError


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        (" 6 h ", timedelta(hours=6)),
        ("2d", timedelta(days=2)),
    ],
)
def test_a_number_with_its_unit_is_read(typed: str, meant: timedelta) -> None:
    assert parse_duration(typed) == meant


@pytest.mark.parametrize("typed", ["", "6", "h", "-1h", "1.5h", "6 hours", "1h30m"])
def test_anything_else_is_refused(typed: str) -> None:
    with pytest.raises(CallError, match="is no duration"):
        parse_duration(typed)
