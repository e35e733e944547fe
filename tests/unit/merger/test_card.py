"""The card: everything that a reader must know, from provenance alone."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.merger.card import render_card
from services.merger.provenance import Provenance
from services.merger.split import SplitRule
from tests.unit.merger.generated_piles import make_sessions, write_pile


@pytest.fixture
def provenance(tmp_path: Path) -> Provenance:
    return write_pile(tmp_path / "pile", make_sessions(tmp_path / "store"))


def with_pile(provenance: Provenance, **changes: Any) -> str:
    return render_card(replace(provenance, pile=provenance.pile.model_copy(update=changes)), "abc")


def test_sources_stand_with_licence_and_tokens(provenance: Provenance) -> None:
    card = render_card(provenance, "abc")
    sessions = [record for record in provenance.sessions if record.source == "vcn"]
    tokens = sum(record.tokens for record in sessions)
    assert (
        f"| vcn | dandi 000021, version 0.1 | mouse | LicenseRef-Allen | 20 ms | 3 | 4 | 18 | {tokens:,} |"
        in card
    )
    assert "| **all** |  |  |  |  | 6 | 7 | 33 | 11,390 |" in card
    assert "- shield: The makers of shield." in card
    assert "`provenance.jsonl` has the sha256 `abc`." in card


def test_made_up_data_are_called_made_up(provenance: Provenance) -> None:
    assert "> These data are made up.\n" in render_card(provenance, "abc")


def test_missing_sessions_stand_with_their_reason_in_one_line(provenance: Provenance) -> None:
    assert "| vcn | sub-9/ses-9.nwb | no units \\| table in the file |" in render_card(provenance, "abc")
    assert "Missing sessions" not in render_card(replace(provenance, missing=()), "abc")


def test_a_source_that_must_not_be_redistributed_is_named(provenance: Provenance) -> None:
    closed = tuple(source | {"redistributable": False} for source in provenance.pile.sources)
    assert "Not cleared for redistribution: shield, vcn." in with_pile(provenance, sources=closed)
    assert "Not cleared" not in render_card(provenance, "abc")


def test_a_source_of_rates_is_called_estimated(provenance: Provenance) -> None:
    shield, vcn = provenance.pile.sources
    card = with_pile(provenance, sources=(shield, vcn | {"reader": "nwb-rates"}))
    assert "| vcn (estimated) | dandi 000021, version 0.1 |" in card
    assert "| shield | dandi" in card
    assert "\n\nEstimated, not counted: vcn. The recordings hold firing rates instead of spikes;" in card
    assert "stimated" not in render_card(provenance, "abc")


def test_a_licence_of_all_sources_is_the_licence_of_the_pile(provenance: Provenance) -> None:
    shared = tuple(source | {"license": "CC-BY-4.0"} for source in provenance.pile.sources)
    assert "\nlicense: cc-by-4.0\n" in with_pile(provenance, sources=shared)
    assert "\nlicense: other\n" in render_card(provenance, "abc")


def test_a_folder_of_ones_own_files_needs_no_licence(provenance: Provenance) -> None:
    own = ({"name": "vcn", "archive": "files", "identifier": "recordings"},)
    card = with_pile(provenance, sources=own)
    assert "| vcn | files recordings | not stated | not stated | 20 ms |" in card
    assert "Citations" not in card


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        (SplitRule.DIGEST, "falls below 0.3 of its range"),
        (SplitRule.SMALLEST_TESTS, "so the smallest one tests"),
        (SplitRule.LARGEST_TRAINS, "so the largest one trains"),
    ],
)
def test_how_the_split_was_made_and_what_it_reached(
    provenance: Provenance, rule: SplitRule, sentence: str
) -> None:
    card = with_pile(provenance, split=provenance.pile.split.model_copy(update={"rule": rule}))
    assert sentence in card
    assert "5 of 7 sessions test: 81.82% of all rows, 87.11% of all tokens." in card


def test_no_test_split_is_said(provenance: Provenance) -> None:
    split = provenance.pile.split.model_copy(
        update={"rule": SplitRule.NO_TEST, "test_rows": 0, "test_tokens": 0}
    )
    card = with_pile(provenance, split=split)
    assert "There is no test split.\n" in card
    assert "data/test-*" not in card


def test_a_limit_is_said(provenance: Provenance) -> None:
    assert "only the first 2 sessions were taken" in with_pile(provenance, session_limit=2)
