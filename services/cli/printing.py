"""Where a command writes: what was asked for on stdout, what went wrong on stderr."""

import sys

from rich.console import Console
from rich.table import Table

_NARROWEST = 80
_WIDEST = 1000


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


def complain(text: str) -> None:
    """Write what went wrong on stderr, with no decoration and no line breaks of ours."""
    sys.stderr.write(f"{text.rstrip()}\n")
    sys.stderr.flush()
