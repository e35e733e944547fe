"""The token ledger in every form, with its total."""

import csv
import io
import json

from rich.console import Console

from spikemill.services.cli.report import as_csv, as_json, as_markdown, token_table, with_total
from spikemill.services.common.ledger.build_queries import TokenCount

COUNTS = [
    TokenCount("vcn", 32, 30, 4000, 36_681_686_005, 9, 1, 2, 3_000_000_000, 32, 32, 36_681_686_005, 0),
    TokenCount("lab", 4, 3, 4, 1_000, 5, 0, 1, 500, None, None, None, 1_000),
]


def test_the_total_sums_what_was_counted_and_what_all_expected() -> None:
    total = with_total(COUNTS)[-1]
    assert (total.source, total.sessions, total.tokens, total.bytes) == (
        "total",
        36,
        36_681_687_005,
        3_000_000_500,
    )
    assert total.expected_tokens is None
    assert total.estimated_tokens == 1_000
    assert with_total(COUNTS[:1])[-1].expected_tokens == 36_681_686_005
    assert with_total([])[-1].tokens == 0


def test_csv_holds_every_figure() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(COUNTS))))
    assert [row["source"] for row in rows] == ["vcn", "lab", "total"]
    assert (rows[0]["left_out"], rows[1]["expected_tokens"]) == ("2", "")


def test_json_keeps_unknown_figures_apart_from_zero() -> None:
    rows = json.loads(as_json(COUNTS))
    assert (rows[1]["clipped"], rows[1]["expected_sessions"]) == (0, None)


def test_markdown_is_a_table() -> None:
    lines = as_markdown(COUNTS).splitlines()
    assert {line.count("|") for line in lines} == {14}
    assert lines[2].startswith("| vcn | 32 | 30 | 4,000 | 36,681,686,005 |")


def test_the_table_fits_into_80_columns() -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(token_table(COUNTS))
    text = console.export_text()
    assert "32/32" in text
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_table_marks_what_was_not_counted_from_spikes() -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(token_table(COUNTS))
    console.print(token_table(COUNTS[:1]))
    marked = [line.strip() for line in console.export_text().splitlines() if "*" in line]
    assert [line.split("  ")[0] for line in marked] == [
        "lab *",
        "* estimated from firing rates, not counted from spikes",
    ]
