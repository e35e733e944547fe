"""What commands print: tables, numbers and durations as people read them."""

import sys
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

_NARROWEST = 80
_WIDEST = 1000
_BYTE_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_STEP = 1000
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def output() -> Console:
    """Return the console on stdout: it wraps for a terminal, and leaves lines whole in a pipe."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True, width=_NARROWEST)
    return console


def print_whole(table: Table) -> None:
    """Write a table on stdout in its full width: a narrow terminal breaks its lines, and no figure is cut."""
    console = output()
    wanted = console.measure(table, options=console.options.update(max_width=_WIDEST)).maximum
    console.width = max(console.width, wanted)
    console.print(table)


def print_error(text: str) -> None:
    """Write what went wrong on stderr, with no decoration and no line breaks of ours."""
    sys.stderr.write(f"{text.rstrip()}\n")
    sys.stderr.flush()


def figures_table(headings: Sequence[str]) -> Table:
    """Return an empty table: first the source, cut where it is too long, then a column of figures each."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("source", overflow="ellipsis", no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown: the first column to the left, all others to the right."""
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def count(number: int, noun: str) -> str:
    """Return the number with its noun: `1 session`, `2,000 sessions`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def size(number_of_bytes: int) -> str:
    """Return a number of bytes in the unit that leaves at most three digits before the point."""
    value, unit = float(number_of_bytes), 0
    while round(value, 1) >= _STEP and unit < len(_BYTE_UNITS) - 1:
        value, unit = value / _STEP, unit + 1
    return f"{value:.1f} {_BYTE_UNITS[unit]}" if unit else f"{number_of_bytes} B"


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
