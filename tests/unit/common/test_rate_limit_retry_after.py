"""What Retry-After asks for."""

from datetime import UTC, datetime

import pytest

from spikemill.services.common.rate_limit import retry_after_seconds

NOW = datetime(2026, 8, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("1785585600", 86_400.0),
        ("9" * 30, 86_400.0),
        ("Sat, 01 Aug 2099 12:00:00 GMT", 86_400.0),
        ("Sat, 01 Aug 2026 12:01:30 GMT", 90.0),
        ("Sat, 01 Aug 2026 11:00:00 GMT", 0.0),
        ("Sat, 01 Aug 2026 12:00:05 -0000", 5.0),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, now=NOW) == seconds
