"""The dry run as a table."""

import io
from typing import Any

from rich.console import Console

from spikemill.services.cli.plan import SourceListing, listing_markdown, listing_table


def listing(source: str, **figures: Any) -> SourceListing:
    """Return the listing of a source of 1,000 assets."""
    common: dict[str, Any] = {
        "archive": "dandi",
        "identifier": "000021",
        "version": "0.1.2",
        "assets": 1000,
        "selected": 12,
        "bytes_in_archive": 5_000_000_000_000,
        "bytes_selected": 1_500_000,
        "sessions": 10,
        "subjects": 7,
        "expected_sessions": 10,
        "expected_subjects": 8,
        "expected_tokens": 1_000_000,
        "requests": 2,
        "fetch": "stream",
        "marks": (),
        "proven_on": "the listing of 2021-08-05",
        "unproven": None,
        "differences": (),
        "differs": None,
    }
    return SourceListing(source=source, **(common | figures))


LISTINGS = (
    listing("vcn", marks=("draft", "unproven")),
    listing("lab", version=None, subjects=None, expected_tokens=None, proven_on=None, unproven="no listing"),
)


def test_the_markdown_says_everything_and_the_sum_what_is_known() -> None:
    head, _, vcn, lab, total = listing_markdown(LISTINGS).splitlines()
    assert head == (
        "| source | assets | selected | bytes | bytes selected | sessions | subjects | expected tokens "
        "| requests | fetch | marks | version | tried on |"
    )
    assert vcn == (
        "| vcn | 1,000 | 12 | 5.0 TB | 1.5 MB | 10 | 7 | 1,000,000 | 2 | stream | draft, unproven | 0.1.2 "
        "| the listing of 2021-08-05 |"
    )
    assert lab == "| lab | 1,000 | 12 | 5.0 TB | 1.5 MB | 10 | unknown |  | 2 | stream |  |  | no listing |"
    assert total == "| total | 2,000 | 24 | 10.0 TB | 3.0 MB | 20 | 7 | 1,000,000 | 4 |  |  |  |  |"


def test_the_sum_of_what_nobody_knows_is_not_zero() -> None:
    *_, lab, total = listing_markdown([LISTINGS[1], LISTINGS[1]]).splitlines()
    assert "| 10 | unknown |  | 2 |" in lab
    assert "| 20 | unknown |  | 4 |" in total


def test_one_source_needs_no_sum() -> None:
    assert len(listing_markdown(LISTINGS[:1]).splitlines()) == 3
    assert listing_table(LISTINGS[:1]).row_count == 1


def test_the_table_on_a_terminal_has_the_same_figures() -> None:
    text = io.StringIO()
    Console(file=text, width=200).print(listing_table(LISTINGS))
    rows = [" ".join(line.split()) for line in text.getvalue().splitlines()]
    assert "vcn 1,000 12 5.0 TB 1.5 MB 10 7 1,000,000 2 stream draft, unproven" in rows
    assert "lab 1,000 12 5.0 TB 1.5 MB 10 unknown 2 stream" in rows
    assert "total 2,000 24 10.0 TB 3.0 MB 20 7 1,000,000 4" in rows
