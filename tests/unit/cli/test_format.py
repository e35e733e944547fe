"""Numbers as people read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikemill.services.cli.format import count, duration, rate, size


def test_one_is_no_plural() -> None:
    assert [count(number, "session") for number in (0, 1, 2000)] == [
        "0 sessions",
        "1 session",
        "2,000 sessions",
    ]


@pytest.mark.parametrize(
    ("number_of_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_999, "1.0 MB"),
        (81_907, "81.9 kB"),
        (10**12, "1.0 TB"),
    ],
)
def test_sizes(number_of_bytes: int, text: str) -> None:
    assert size(number_of_bytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (60, "1 min 0 s"),
        (12_000, "3 h 20 min"),
        (200_000, "2 d 7 h"),
        (-3, "0 s"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("per_second", "text"), [(12, "12 tokens/s"), (1500, "1.5 k tokens/s"), (2.5e9, "2.5 G tokens/s")]
)
def test_rates(per_second: float, text: str) -> None:
    assert rate(per_second) == text


@given(st.integers(0, 10**17))
def test_a_size_is_short(number_of_bytes: int) -> None:
    assert len(size(number_of_bytes)) <= len("999.9 kB")
