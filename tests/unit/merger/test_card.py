"""The card: everything that a reader must know, from provenance alone."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from spikemill.services.merger.card import HubCard, render_card
from spikemill.services.merger.card_head import card_head
from spikemill.services.merger.plan import SplitRule
from spikemill.services.merger.provenance import Provenance
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


def test_the_pile_has_the_licence_that_asks_most(provenance: Provenance) -> None:
    shield, vcn = provenance.pile.sources
    card = with_pile(provenance, sources=(shield, vcn | {"license": "CC-BY-NC-4.0"}))
    assert "\nlicense: cc-by-nc-4.0\n" in card
    assert "The pile as a whole is under `cc-by-nc-4.0`, which asks all that any of them asks." in card


def test_without_a_licence_for_all_each_is_to_be_looked_at(provenance: Provenance) -> None:
    card = render_card(provenance, "abc")
    assert '\nlicense: other\nlicense_name: "licenseref-allen"\nlicense_link: "https://dandiarchive' in card
    assert "None that the hub knows covers them all: look at each" in card


def test_a_folder_of_ones_own_files_needs_no_licence(provenance: Provenance) -> None:
    own = ({"name": "vcn", "archive": "files", "identifier": "recordings"},)
    card = with_pile(provenance, sources=own)
    assert "| vcn | files recordings | not stated | not stated | 20 ms |" in card
    assert "Citations" not in card
    assert "$ spikemill build --from PATH --home DIR --folder vcn=RECORDINGS\n" in card


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        (SplitRule.DIGEST, "So a session stays in its split when sources are added."),
        (SplitRule.SMALLEST_TESTS, "That put none in test, so the smallest session was put there."),
        (SplitRule.LARGEST_TRAINS, "That put all in test, so the largest session was put in train."),
    ],
)
def test_how_the_split_was_made_and_what_it_reached(
    provenance: Provenance, rule: SplitRule, sentence: str
) -> None:
    card = with_pile(provenance, split=provenance.pile.split.model_copy(update={"rule": rule}))
    assert sentence in card
    assert (
        "\nAll rows of a session are in the same split, train or test. A hash (sha256) of the session's name"
        in card
    )
    assert "the seed 3 decides which; the chance to be in test is 30 %. " in card
    assert "Test holds 5 of 7 sessions, with 81.82% of all rows and 87.11% of all tokens.\n" in card


@pytest.mark.parametrize(
    ("unit", "sentence"),
    [
        (
            "subject",
            "All rows of a subject are in the same split, train or test. A hash (sha256) of the subject's",
        ),
        ("row", "Each row goes to train or test by itself, so both may hold rows of one recording."),
    ],
)
def test_what_is_never_divided_is_said(provenance: Provenance, unit: str, sentence: str) -> None:
    parameters = provenance.pile.parameters.model_copy(update={"split_by": unit})
    assert sentence in with_pile(provenance, parameters=parameters)


def test_a_pile_of_one_source_is_not_told_how_to_choose_among_several(provenance: Provenance) -> None:
    several, one = render_card(provenance, "abc"), with_pile(provenance, sources=provenance.pile.sources[:1])
    assert "\nRows are shuffled across all sources.\n" in several
    assert "## One source only" in several
    assert "\nRows are shuffled.\n" in one
    assert "ne source only" not in one
    assert "all sources" not in one


def test_no_test_split_is_said(provenance: Provenance) -> None:
    split = provenance.pile.split.model_copy(
        update={"rule": SplitRule.NO_TEST, "test_rows": 0, "test_tokens": 0}
    )
    card = with_pile(provenance, split=split)
    assert "All rows are in train; there is no test split.\n" in card
    assert "data/test-*" not in card


def test_a_limit_is_said(provenance: Provenance) -> None:
    assert "only the first 2 sessions were taken" in with_pile(provenance, session_limit=2)


def test_on_disk_the_folder_is_named_and_no_picture_shown(provenance: Provenance) -> None:
    card = render_card(provenance, "abc")
    assert "`PATH` stands for the folder that holds this file." in card
    assert 'load_dataset("PATH", split="train")' in card
    assert "$ spikemill build --from PATH --home DIR\n" in card
    assert "![" not in card
    assert "release-" not in card


def test_on_the_hub_the_repository_is_named_and_its_pictures_are_shown(provenance: Provenance) -> None:
    card = render_card(provenance, "abc", hub=HubCard("lab/spikes", {"vcn": "pictures/vcn.png"}))
    assert "PATH" not in card
    assert 'load_dataset("lab/spikes", split="train")' in card
    assert '"datasets/lab/spikes/data/train-*"' in card
    assert '\n`load_dataset("lab/spikes", revision="release-abc")` loads just these rows' in card
    assert "$ hf download lab/spikes --repo-type dataset --local-dir pile\n" in card
    assert "![One row of vcn](pictures/vcn.png)" in card
    assert card.startswith(card_head(provenance.pile))


def test_another_branch_is_named_wherever_the_repository_is(provenance: Provenance) -> None:
    card = render_card(provenance, "abc", hub=HubCard("lab/spikes", {}, "next"))
    assert card.count("lab/spikes") == card.count('"lab/spikes", revision="next"') + 3
    assert '"datasets/lab/spikes@next/data/train-*"' in card
    assert "$ hf download lab/spikes --repo-type dataset --revision next --local-dir pile\n" in card
    assert "Rasters" not in card
