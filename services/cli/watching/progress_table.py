"""The sources of a build as a table: how many sessions stand where."""

from rich.table import Table

from services.cli.tables import figures_table
from services.cli.watching.snapshot import Snapshot
from services.common.ledger.figures import SourceProgress

_STATES = ("queued", "fetching", "binning", "done", "failed", "waived")
_ALWAYS = 5


def progress_table(snapshot: Snapshot) -> Table:
    """Return the table; waived sessions have a column only where there are some."""
    states = _STATES if any(source.waived for source in snapshot.progress) else _STATES[:_ALWAYS]
    table = figures_table((*states, "tokens"))
    for source in snapshot.progress:
        tokens = snapshot.tokens.get(source.source, 0)
        table.add_row(source.source, *_cells(source, states), f"{tokens:,}")
    return table


def _cells(source: SourceProgress, states: tuple[str, ...]) -> list[str]:
    """Return the counts, or what keeps them from being known."""
    if not source.sealed:
        text = "not listed" if source.plan_state == "dead" else "listing"
        return [text, *("" for _ in states[1:])]
    return [f"{getattr(source, state):,}" for state in states]
