"""Tables of figures on a terminal: a line per source."""

from collections.abc import Sequence

from rich import box
from rich.table import Table


def figures_table(headings: Sequence[str]) -> Table:
    """Return an empty table: first the source, cut where it is too long, then a column of figures each."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("source", overflow="ellipsis", no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table
