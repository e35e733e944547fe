"""A session that cannot be had keeps the pile from being written, until it heals or somebody skips it."""

from pathlib import Path

import pytest

from spikemill.services.merger.provenance import MissingRecord, Provenance, parse_provenance
from standins.archive.content import ArchiveFile, MadeUpArchive
from tests.acceptance.builds import NewPlace, Place
from tests.acceptance.small_archives import asset, dandi_source, dandiset, short
from tests.harness.forked_programs import Finished

BAD = "sub-x/sub-x_ses-bad.nwb"
GONE = "sub-y/sub-y_ses-gone.nwb"


@pytest.fixture
def place(new_place: NewPlace, recordings: Path) -> Place:
    """Give a place where one file is no recording, and another cannot be had the first time."""
    good = [asset(short(f"g{number}", "good"), recordings) for number in range(3)]
    bad, gone = ArchiveFile(BAD, b"This is not a recording."), asset(short("y", "gone"), recordings)
    place = new_place(MadeUpArchive([dandiset("990301", [*good, bad, gone])]), dandi_source("maze", "990301"))
    place.archive.fail(f"/assets/{gone.asset_id}/download/", status=404)
    return place


def test_a_dead_session_is_named_healed_or_skipped(place: Place) -> None:
    _must_fail(place, place.build())
    status = place.status_text()
    assert BAD in status
    assert GONE in status
    assert "404" in status

    assert place.ask("retry").returncode == 0
    place.must_build("--allow-missing")
    assert _missing(place) == [MissingRecord(source="maze", path=BAD, reason="it could not be built")]

    assert place.ask("skip", "maze/sub-x/sub-x_ses-bad", "--reason", "the disk of the lab").returncode == 0
    place.must_build()
    skipped = MissingRecord(source="maze", path=BAD, reason="skipped: the disk of the lab")
    assert _missing(place) == [skipped]
    assert f"| maze | {BAD} | {skipped.reason} |" in (place.home.pile / "README.md").read_text()
    assert len(_provenance(place).sessions) == 4


def _must_fail(place: Place, finished: Finished) -> None:
    """See that there is no pile, and that each file that failed is named on one line."""
    assert finished.returncode == 1, finished
    assert "Traceback" not in finished.stderr
    for path in (BAD, GONE):
        assert len([line for line in finished.stderr.splitlines() if path in line]) == 1, finished
    assert not place.home.pile.exists()


def _provenance(place: Place) -> Provenance:
    return parse_provenance((place.home.pile / "provenance.jsonl").read_bytes())


def _missing(place: Place) -> list[MissingRecord]:
    return list(_provenance(place).missing)
