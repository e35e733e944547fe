"""Tables of figures, a line per source: on a terminal, and in Markdown."""

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


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown: the first column to the left, all others to the right."""
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
