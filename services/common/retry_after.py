"""Retry-After: how long a server asks to be left alone."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_PAUSE = 86_400.0
"""The most seconds that a Retry-After is believed: beyond a day it is a date in the wrong form."""


def retry_after_seconds(value: str | None, *, now: datetime | None = None) -> float | None:
    """Return the pause that a Retry-After header asks for: it holds seconds, or a date."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return min(float(value), LONGEST_PAUSE)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = (moment - (now or datetime.now(UTC))).total_seconds()
    return min(max(0.0, seconds), LONGEST_PAUSE)
