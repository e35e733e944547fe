"""A listing that is not whole is no listing: what stands of it never reaches a pile."""

import json
import re
from pathlib import Path

import pytest

from standins.archive.content import ArchiveFile, MadeUpArchive
from tests.acceptance.builds import NewPlace, Place
from tests.acceptance.processes import kill
from tests.acceptance.small_archives import asset, dandi_source, dandiset, short

pytestmark = pytest.mark.chaos
_MORE_THAN_A_PAGE = 1_010


def wide_archive(recordings: Path) -> MadeUpArchive:
    """Return two dandisets: the sessions of one stand on two pages of its listing."""
    notes = [ArchiveFile(f"sub-n/{number:04}.txt", b"%d" % number) for number in range(_MORE_THAN_A_PAGE)]
    first, last = asset(short("a", "w"), recordings), asset(short("z", "w"), recordings)
    return MadeUpArchive(
        [
            dandiset("990201", [first, *notes, last]),
            dandiset("990202", [asset(short("k", "k"), recordings)]),
        ]
    )


def test_no_merge_starts_while_a_listing_is_not_whole(new_place: NewPlace, recordings: Path) -> None:
    sources = dandi_source("wide", "990201"), dandi_source("narrow", "990202")
    place = new_place(wide_archive(recordings), *sources)
    with place.archive.hold(r"990201/.*[?&]page=2", times=None) as page, place.building() as build:
        page.wait_until_reached()
        kill(build.child("downloader@"))
        build.until(lambda: ["vanished", None] in build.ledger.outcomes("plan").values())
        build.until(lambda: build.ledger.jobs("bin", "done"))
        build.outlast_sweeps(10)
        assert build.ledger.jobs("freeze") == []
        assert [job["about"] for job in build.ledger.jobs("bin")] == ["sub-k/sub-k_ses-k.nwb"]
        page.release()
        assert build.end() == 0
    assert _sessions(place) == {("narrow", "sub-k"), ("wide", "sub-a"), ("wide", "sub-z")}
    assert re.search(r"\| \*\*all\*\* .* 3 \|", (place.home.pile / "README.md").read_text())


def _sessions(place: Place) -> set[tuple[str, str]]:
    lines = (place.home.pile / "provenance.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    return {(each["source"], each["subject"]) for each in records if each["kind"] == "session"}
