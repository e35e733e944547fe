"""The token ledger for programs and documents: every column, as markdown, CSV or JSON."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, astuple

from services.cli.reporting.token_totals import COLUMNS, with_total
from services.cli.tables import markdown_table
from services.common.ledger.figures import TokenCount


def as_markdown(counts: Sequence[TokenCount]) -> str:
    """Return a table in Markdown."""
    rows = [[_cell(value) for value in astuple(count)] for count in with_total(counts)]
    return markdown_table([name.replace("_", " ") for name in COLUMNS], rows)


def as_csv(counts: Sequence[TokenCount]) -> str:
    """Return comma-separated values with a line of headings."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(astuple(count) for count in with_total(counts))
    return text.getvalue().rstrip("\n")


def as_json(counts: Sequence[TokenCount]) -> str:
    """Return a list of objects; figures that were not published are null."""
    return json.dumps([asdict(count) for count in with_total(counts)], indent=2)


FORMATS: Mapping[str, Callable[[Sequence[TokenCount]], str]] = {
    "markdown": as_markdown,
    "csv": as_csv,
    "json": as_json,
}


def _cell(value: str | int | None) -> str:
    return f"{value:,}" if isinstance(value, int) else value or ""
