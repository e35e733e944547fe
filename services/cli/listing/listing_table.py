"""The dry run as a table."""

from collections.abc import Sequence

from rich.table import Table

from services.cli.listing.source_listing import SourceListing
from services.cli.tables import figures_table
from services.cli.wording import size

_HEADINGS = ("assets", "selected", "sessions", "subjects", "to fetch", "expected tokens")


def listing_table(listings: Sequence[SourceListing]) -> Table:
    """Return the sources and what each selects."""
    table = figures_table(_HEADINGS)
    for listing in listings:
        table.add_row(
            listing.source,
            f"{listing.assets:,}",
            f"{listing.selected:,}",
            f"{listing.sessions:,}",
            "unknown" if listing.subjects is None else f"{listing.subjects:,}",
            size(listing.bytes),
            "" if listing.expected_tokens is None else f"{listing.expected_tokens:,}",
        )
    return table
