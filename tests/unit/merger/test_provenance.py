"""provenance.jsonl: sorted, the same bytes each time, and read back as it was written."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from spikemill.services.common.catalog.tables import MergeParameters
from spikemill.services.common.errors import DamagedOutputError
from spikemill.services.merger.provenance import MissingRecord, Provenance, parse_provenance
from tests.unit.merger.generated_piles import make_sessions, write_pile


@pytest.fixture
def provenance(tmp_path: Path) -> Provenance:
    return write_pile(tmp_path / "pile", make_sessions(tmp_path / "store"))


def test_what_was_written_is_read(provenance: Provenance) -> None:
    read = parse_provenance(provenance.to_bytes())
    assert read.to_bytes() == provenance.to_bytes()
    assert sorted(read.sessions, key=lambda record: record.key) == list(read.sessions)
    assert {record.key: record for record in read.sessions} == {
        record.key: record for record in provenance.sessions
    }
    assert (read.pile, read.missing) == (provenance.pile, provenance.missing)


def test_the_order_of_records_does_not_matter(provenance: Provenance) -> None:
    turned = replace(provenance, sessions=provenance.sessions[::-1])
    assert turned.to_bytes() == provenance.to_bytes()


def test_the_pile_comes_first_then_sessions_by_name_then_what_is_missing(provenance: Provenance) -> None:
    missing = MissingRecord(source="shield", path="a.nwb", reason="gone")
    whole = replace(provenance, missing=(*provenance.missing, missing))
    lines = [json.loads(line) for line in whole.to_bytes().splitlines()]
    names = [
        (line["source"], line["subject"], line["session"]) for line in lines if line["kind"] == "session"
    ]
    assert [line["kind"] for line in lines] == ["pile", *["session"] * 7, "missing", "missing"]
    assert names == sorted(names)
    assert [line["source"] for line in lines[-2:]] == ["shield", "vcn"]


def test_the_call_can_be_made_again_from_it(provenance: Provenance) -> None:
    pile = json.loads(provenance.to_bytes().splitlines()[0])
    assert MergeParameters.model_validate(pile["parameters"]) == provenance.pile.parameters
    assert [source["name"] for source in pile["sources"]] == ["shield", "vcn"]


def test_only_estimates_are_marked(provenance: Provenance) -> None:
    first, *others = provenance.sessions
    marked = replace(provenance, sessions=(first.model_copy(update={"estimated": True}), *others))
    assert b"estimated" not in provenance.to_bytes()
    assert marked.to_bytes().count(b'"estimated":true') == 1
    assert parse_provenance(marked.to_bytes()).to_bytes() == marked.to_bytes()


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (b'"n_units":3', b'"n_units":"three"', "line 2, .*n_units"),
        (b'"clipped":0', b'"trimmed":0', "line 2, .*clipped"),
        (b'"kind":"pile"', b'"kind":"session"', "line 1,"),
        (b"{", b"", "line 1,"),
    ],
)
def test_a_line_that_makes_no_sense_is_named(
    provenance: Provenance, old: bytes, new: bytes, problem: str
) -> None:
    data = provenance.to_bytes()
    assert old in data
    with pytest.raises(DamagedOutputError, match=problem):
        parse_provenance(data.replace(old, new, 1))


def test_the_line_of_the_pile_must_be_there(provenance: Provenance) -> None:
    _, *lines = provenance.to_bytes().splitlines(keepends=True)
    with pytest.raises(DamagedOutputError, match="0 lines of kind pile"):
        parse_provenance(b"".join(lines))
