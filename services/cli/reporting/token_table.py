"""The token ledger on a terminal: the columns that people look at, beside what was expected."""

from collections.abc import Sequence

from rich.table import Table

from services.cli.reporting.token_totals import TOTAL, with_total
from services.cli.tables import figures_table
from services.cli.wording import size
from services.common.ledger.figures import TokenCount

_HEADINGS = ("sessions", "subjects", "rows", "tokens", "expected", "bytes")
_ESTIMATED = "*"


def token_table(counts: Sequence[TokenCount]) -> Table:
    """Return the token ledger as a table; `3/4` are three of the four that were expected."""
    table = figures_table(_HEADINGS)
    if any(count.estimated_tokens for count in counts):
        table.caption = f"{_ESTIMATED} estimated from firing rates, not counted from spikes"
    for count in with_total(counts):
        if count.source == TOTAL:
            table.add_section()
        is_estimated = count.estimated_tokens and count.source != TOTAL
        table.add_row(f"{count.source} {_ESTIMATED}" if is_estimated else count.source, *_cells(count))
    return table


def _cells(count: TokenCount) -> tuple[str, ...]:
    return (
        _beside(count.sessions, count.expected_sessions),
        _beside(count.subjects, count.expected_subjects),
        f"{count.rows:,}",
        f"{count.tokens:,}",
        "" if count.expected_tokens is None else f"{count.expected_tokens:,}",
        size(count.bytes),
    )


def _beside(found: int, expected: int | None) -> str:
    return f"{found:,}" if expected is None else f"{found:,}/{expected:,}"
