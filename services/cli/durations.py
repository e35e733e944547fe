"""Durations as people type them: 90s, 30m, 6h, 2d."""

import re
from datetime import timedelta

from services.common.errors import CallError

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_TYPED = re.compile(r"(\d{1,6})\s*([smhd])")


def parse_duration(typed: str) -> timedelta:
    """Read a whole number with its unit; raises `CallError` for anything else."""
    match = _TYPED.fullmatch(typed.strip())
    if match is None:
        raise CallError(f"{typed!r} is no duration; write a number with s, m, h or d: 90s, 30m, 6h, 2d.")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})
