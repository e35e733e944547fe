"""Numbers as people read them."""

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_STEP = 1000
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def count(number: int, noun: str) -> str:
    """Return the number with its noun: `1 session`, `2,000 sessions`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def size(number_of_bytes: int) -> str:
    """Return a number of bytes in the unit that leaves at most three digits before the point."""
    value, unit = float(number_of_bytes), 0
    while round(value, 1) >= _STEP and unit < len(_UNITS) - 1:
        value, unit = value / _STEP, unit + 1
    return f"{value:.1f} {_UNITS[unit]}" if unit else f"{number_of_bytes} B"


def duration(seconds: float) -> str:
    """Return a duration in its two largest units: `3 h 20 min`."""
    whole = max(0, round(seconds))
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def rate(per_second: float) -> str:
    """Return tokens per second."""
    for unit, scale in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if per_second >= scale:
            return f"{per_second / scale:.1f} {unit} tokens/s"
    return f"{per_second:.0f} tokens/s"
