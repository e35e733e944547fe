"""Where a command writes: what was asked for on stdout, what went wrong on stderr."""

import sys

from rich.console import Console

_NARROWEST = 80


def output() -> Console:
    """Return the console on stdout: it wraps for a terminal, and leaves lines whole in a pipe."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True, width=_NARROWEST)
    return console


def complain(text: str) -> None:
    """Write what went wrong on stderr, with no decoration and no line breaks of ours."""
    sys.stderr.write(f"{text.rstrip()}\n")
    sys.stderr.flush()
