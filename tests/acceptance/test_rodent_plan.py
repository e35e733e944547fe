"""The whole rodent catalogue planned against a stand-in that lists what the archives hold."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.planning import plan
from benchmarks.rodent_archive import rodent_archive
from spikemill.services.common.catalog import load_catalogue
from standins.archive.server import ArchiveServer, serve
from tests.samples.listings import LISTINGS, MISSING

PAGE = Path(__file__).parents[2] / "docs" / "sources.md"
PUBLISHED_TOKENS = 452_793_851_799 - 69_147_814_139
"""All but those of ibl, of whose present version none are published."""

pytestmark = pytest.mark.skipif(not LISTINGS.is_dir(), reason=MISSING)


@pytest.fixture(scope="module")
def stand_in() -> Iterator[ArchiveServer]:
    """Serve the stand-in, and let it be asked without a pause."""
    archive = rodent_archive(load_catalogue("rodent"), LISTINGS)
    with serve(archive) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPIKEMILL_REQUESTS_PER_MINUTE", "60000")
        yield server


@pytest.fixture
def server(stand_in: ArchiveServer) -> Iterator[ArchiveServer]:
    """Give the stand-in without faults and without requests."""
    stand_in.forget_requests()
    yield stand_in
    stand_in.heal()


def test_the_whole_catalogue_is_planned_a_page_at_a_time(server: ArchiveServer) -> None:
    planned = plan(server, "--json")
    assert planned.returncode == 0, planned
    listings = {listing["source"]: listing for listing in json.loads(planned.stdout)}
    assert len(listings) == 25
    assert "ibl-2023" not in listings
    assert sum(listing["expected_tokens"] or 0 for listing in listings.values()) == PUBLISHED_TOKENS
    # One request for each thousand assets; figshare is asked for the article as well.
    asked = {name: listing["requests"] for name, listing in listings.items() if listing["requests"] > 1}
    assert asked == {"vbn": 5, "ibl": 3, "steinmetz-2": 2}
    assert sum(listing["requests"] for listing in listings.values()) == len(server.requests()) == 32
    assert not server.requests("download|/storage/")
    vcn = listings["vcn"]
    assert (vcn["assets"], vcn["bytes_in_archive"]) == (214, 477_562_344_354)
    assert (vcn["selected"], vcn["bytes_selected"], vcn["subjects"]) == (32, 80_462_809_684, 32)
    assert listings["steinmetz-2"]["marks"] == ["pin not seen", "unproven"]


def test_the_page_on_sources_shows_what_the_command_prints(server: ArchiveServer) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert plan(server, "--markdown").stdout in page
    assert plan(server, "ibl-2023", "--markdown").stdout in page


def test_figures_that_differ_are_told_with_their_reasons(server: ArchiveServer) -> None:
    huszar, li = plan(server, "huszar", "li", "vcn").stderr.splitlines()
    assert huszar == (
        "huszar: 11 subjects are selected, 17 were expected "
        "(17 are all mice of the dandiset; its sessions with units are of 11)"
    )
    assert li == (
        "li: 19 subjects are selected, 23 were expected "
        "(23 are all mice of the dandiset; 4 of them were only imaged)"
    )


def test_a_source_that_is_not_taken_by_default_is_planned_where_it_is_named(server: ArchiveServer) -> None:
    planned = plan(server, "ibl-2023", "--markdown")
    assert (planned.returncode, planned.stderr) == (0, "")
    assert (
        "| ibl-2023 | 1,582 | 347 | 34.3 TB | 207.1 GB | 347 | 115 | 69,147,814,139 | 2 |" in planned.stdout
    )
    assert "| the listing of 2023-09-07, 1,582 assets |" in planned.stdout


def test_a_source_that_cannot_be_listed_is_one_line_and_the_others_are_shown(server: ArchiveServer) -> None:
    server.fail("/dandisets/000022/", status=404, times=None)
    planned = plan(server, "vcn", "vcn-2", "v2h")
    assert planned.returncode == 1
    [line] = planned.stderr.splitlines()
    assert line.startswith("vcn-2: ")
    assert "404 Not Found" in line
    rows = [line.split() for line in planned.stdout.splitlines() if line.strip().startswith("v")]
    assert [(row[0], row[-2:]) for row in rows] == [("vcn", ["1", "stream"]), ("v2h", ["1", "stream"])]
