"""Sessions that are streamed make the pile that copies make, whatever dies meanwhile and whoever refuses."""

import signal
from pathlib import Path

import pytest

from spikemill.services.cli.made_up import Recording
from standins.archive.content import MadeUpArchive
from tests.acceptance.builds import NewPlace, Place, pile_of
from tests.acceptance.processes import kill
from tests.acceptance.small_archives import (
    VARIED_SOURCES,
    asset,
    dandi_source,
    dandiset,
    short,
    write_catalogue,
)

_ASSETS = "SELECT size, bytes_downloaded, range_requests, verified_by, sha256, local_path FROM assets"


@pytest.mark.chaos
def test_streams_that_are_killed_make_the_pile_of_undisturbed_copies(
    new_place: NewPlace, varied: MadeUpArchive, undisturbed: dict[str, str]
) -> None:
    place = new_place(varied, *(source | {"fetch": "stream"} for source in VARIED_SOURCES))
    with (
        place.archive.hold(r"^/storage/.*/\d+/sub-f3_ses-e\.nwb") as last,
        place.building("--workers", "2") as build,
    ):
        frozen = build.ledger.freeze_one("stream")
        frozen.kill()
        build.until(lambda: build.ledger.jobs("stream", "done"))
        last.wait_until_reached()
        kill(build.child("streamer@"))
        last.release()
        assert build.end() == 0
    assert pile_of(place.home) == undisturbed
    assert list(place.home.spool.iterdir()) == []
    with place.ledger() as ledger:
        streams = ledger.jobs("stream")
        assert ledger.jobs("fetch") == ledger.jobs("bin") == []
        assets = ledger.rows(_ASSETS)
    assert len(streams) == 16
    assert {job["outcomes"][-1] for job in streams} == {"done"}
    assert sum(job["outcomes"].count("vanished") for job in streams) >= 2
    assert {(found["verified_by"], found["sha256"], found["local_path"]) for found in assets} == {
        ("etag", None, None)
    }
    assert all(found["bytes_downloaded"] > 0 and found["range_requests"] > 0 for found in assets)


@pytest.fixture
def place(new_place: NewPlace, recordings: Path) -> Place:
    """Give a place whose archive answers the first request for a part of each file as if for the whole."""
    files = [asset(short(f"w{number}", "whole"), recordings) for number in range(3)]
    made = new_place(MadeUpArchive([dandiset("990601", files)]), dandi_source("maze", "990601"))
    for file in files:
        made.archive.fail(rf"^/storage/.*{file.blob_id}", status=200, body=b"the whole")
    return made


def test_what_cannot_be_streamed_is_copied_where_the_catalogue_says_so(place: Place) -> None:
    write_catalogue(place.catalogue, dandi_source("maze", "990601", fetch="stream-or-copy"))
    place.must_build()
    with place.ledger() as ledger:
        assert list(ledger.outcomes("bin").values()) == [["handed-over", "done"]] * 3
        assert list(ledger.outcomes("fetch").values()) == [["done"]] * 3
        assert ledger.jobs("stream") == []


def test_what_cannot_be_streamed_fails_with_its_remedy_and_the_remedy_helps(place: Place) -> None:
    write_catalogue(place.catalogue, dandi_source("maze", "990601", fetch="stream"))
    finished = place.build()
    assert finished.returncode == 1, finished
    assert finished.stderr.count('write fetch = "copy" or "stream-or-copy" for this source') == 3, finished
    write_catalogue(place.catalogue, dandi_source("maze", "990601", fetch="copy"))
    place.must_build()
    with place.ledger() as ledger:
        assert list(ledger.outcomes("bin").values()) == [["failed", "done"]] * 3


def test_pruned_chunks_of_streamed_sessions_are_streamed_again(new_place: NewPlace, recordings: Path) -> None:
    files = [asset(short(f"v{number}", "pruned"), recordings) for number in range(2)]
    place = new_place(
        MadeUpArchive([dandiset("990602", files)]), dandi_source("maze", "990602", fetch="stream")
    )
    first = place.must_build()
    assert "2 chunks dropped" in place.ask("prune").stdout
    write_catalogue(place.catalogue, dandi_source("maze", "990602", fetch="stream"), seed=1)
    assert place.must_build().keys() == first.keys()
    with place.ledger() as ledger:
        assert list(ledger.outcomes("stream").values()) == [["done", "done"]] * 2


@pytest.mark.chaos
def test_a_stop_gives_back_a_stream_whose_storage_says_nothing(new_place: NewPlace, recordings: Path) -> None:
    """Its parts are fetched by threads, and each would wait for a minute."""
    large = asset(Recording("w0", "silent", units=200, seconds=300, amplitudes=True), recordings)
    place = new_place(
        MadeUpArchive([dandiset("990603", [large])]), dandi_source("maze", "990603", fetch="stream")
    )
    with (
        place.archive.hold(rf"^/storage/.*{large.blob_id}", after=600_000, times=None),
        place.building() as build,
    ):
        build.until(lambda: build.ledger.jobs("stream", "running"))
        build.until(lambda: len(place.archive.requests(rf"^/storage/.*{large.blob_id}")) > 2)
        build.process.send_signal(signal.SIGINT)
        assert build.end() == 130
    with place.ledger() as ledger:
        assert list(ledger.outcomes("stream").values()) == [["released"]]
