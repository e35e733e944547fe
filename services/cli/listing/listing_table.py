"""The dry run as a table: on a terminal, and as Markdown for a page."""

from collections.abc import Sequence

from rich.table import Table

from services.cli.listing.source_listing import SourceListing
from services.cli.tables import figures_table, markdown_table
from services.cli.wording import size

_HEADINGS = (
    "assets",
    "selected",
    "bytes",
    "bytes selected",
    "sessions",
    "subjects",
    "expected tokens",
    "requests",
    "fetch",
    "marks",
)
_TOTAL = "total"


def listing_table(listings: Sequence[SourceListing]) -> Table:
    """Return the sources, what each holds and what is selected of it, and the sum of several."""
    table = figures_table(_HEADINGS)
    for listing in listings:
        table.add_row(listing.source, *_cells(listing))
    if len(listings) > 1:
        table.add_section()
        table.add_row(_TOTAL, *_total_cells(listings))
    return table


def listing_markdown(listings: Sequence[SourceListing]) -> str:
    """Return the same in Markdown, with the versions and what the patterns were tried on."""
    rows = [(listing.source, *_cells(listing), *_origin_cells(listing)) for listing in listings]
    if len(listings) > 1:
        rows.append((_TOTAL, *_total_cells(listings), "", ""))
    return markdown_table(("source", *_HEADINGS, "version", "tried on"), rows)


def _cells(listing: SourceListing) -> tuple[str, ...]:
    return (
        f"{listing.assets:,}",
        f"{listing.selected:,}",
        size(listing.bytes_in_archive),
        size(listing.bytes_selected),
        f"{listing.sessions:,}",
        _sum_of_known([listing.subjects], "unknown"),
        _sum_of_known([listing.expected_tokens], ""),
        f"{listing.requests:,}",
        listing.fetch,
        ", ".join(listing.marks),
    )


def _origin_cells(listing: SourceListing) -> tuple[str, ...]:
    return str(listing.version or ""), listing.proven_on or listing.unproven or ""


def _total_cells(listings: Sequence[SourceListing]) -> tuple[str, ...]:
    """Return the sums; of subjects and tokens only those that are known are counted."""
    return (
        f"{sum(listing.assets for listing in listings):,}",
        f"{sum(listing.selected for listing in listings):,}",
        size(sum(listing.bytes_in_archive for listing in listings)),
        size(sum(listing.bytes_selected for listing in listings)),
        f"{sum(listing.sessions for listing in listings):,}",
        _sum_of_known([listing.subjects for listing in listings], "unknown"),
        _sum_of_known([listing.expected_tokens for listing in listings], ""),
        f"{sum(listing.requests for listing in listings):,}",
        "",
        "",
    )


def _sum_of_known(figures: Sequence[int | None], otherwise: str) -> str:
    known = [figure for figure in figures if figure is not None]
    return f"{sum(known):,}" if known else otherwise
