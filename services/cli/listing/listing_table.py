"""The dry run as a table."""

from collections.abc import Sequence

from rich import box
from rich.table import Table

from services.cli.listing.source_listing import SourceListing
from services.cli.wording import size

_HEADINGS = ("assets", "selected", "sessions", "subjects", "to fetch", "expected tokens")


def listing_table(listings: Sequence[SourceListing]) -> Table:
    """Return the sources and what each selects."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("source", overflow="ellipsis", no_wrap=True)
    for heading in _HEADINGS:
        table.add_column(heading, justify="right", no_wrap=True)
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
