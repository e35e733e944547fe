"""The dry run against a real server: figures, and nothing downloaded."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from spikemill.services.cli.plan import list_source
from spikemill.services.common.catalog import Source, load_catalogue
from spikemill.services.common.errors import AssetError, CallError
from spikemill.services.common.rate_limit import Unlimited
from spikemill.services.common.settings import Settings
from standins.archive.content import ArchiveFile, Dandiset, MadeUpArchive
from standins.archive.server import ArchiveServer, serve
from tests.servers.noting_limiter import NotingLimiter

CATALOGUE = """
[pile]
name = "pile"

[[source]]
name = "visual"
archive = "dandi"
identifier = "990001"
version = "0.240105.0900"
include = ["sub-*/*.nwb"]
exclude = ["**/*_image.nwb"]
species = "mouse"
license = "CC0-1.0"
redistributable = true
citation = "none"
expect = { sessions = 3, subjects = 2, tokens = 77 }

[[source]]
name = "gone"
archive = "dandi"
identifier = "990009"
version = "0.240105.0900"
species = "mouse"
license = "CC0-1.0"
redistributable = true
citation = "none"

[[source]]
name = "folder"
archive = "files"
identifier = "recordings"
"""
PATHS = ("sub-1/a.nwb", "sub-1/b.nwb", "sub-2/a.nwb", "sub-2/a_image.nwb", "dataset.txt")


@pytest.fixture
def server() -> Iterator[ArchiveServer]:
    """Serve a dandiset of five files."""
    files = [ArchiveFile(path, path.encode() * 10) for path in PATHS]
    with serve(MadeUpArchive([Dandiset("990001", "Made up", {"0.240105.0900": files})])) as server:
        yield server


@pytest.fixture
def sources(tmp_path: Path, server: ArchiveServer) -> dict[str, Source]:
    """Give the sources of the catalogue, with their archive's address."""
    (tmp_path / "pile.toml").write_text(CATALOGUE)
    catalogue = load_catalogue(tmp_path / "pile.toml")
    asked = Settings(dandi_api=server.dandi_api)
    return {source.name: source.with_api(asked) for source in catalogue.sources}


def test_a_source_is_listed_and_compared_with_what_was_expected(
    server: ArchiveServer, sources: dict[str, Source]
) -> None:
    listing = list_source(sources["visual"], Unlimited())
    assert (listing.assets, listing.selected, listing.sessions, listing.subjects) == (5, 3, 3, 2)
    assert listing.bytes_in_archive == 10 * sum(map(len, PATHS))
    assert listing.bytes_selected == 10 * sum(map(len, PATHS[:3]))
    assert (listing.expected_tokens, listing.differences) == (77, ())
    assert (listing.identifier, listing.version, listing.fetch) == ("990001", "0.240105.0900", "copy")
    assert listing.requests == len(server.requests()) == 1
    assert not server.requests("download|/storage/")


def test_a_difference_is_told(sources: dict[str, Source]) -> None:
    all_files = sources["visual"].model_copy(update={"exclude": ()})
    assert list_source(all_files, Unlimited()).differences == ("4 sessions are selected, 3 were expected",)


def test_an_archive_that_is_away_for_a_moment_is_asked_again(
    server: ArchiveServer, sources: dict[str, Source]
) -> None:
    server.fail("assets", times=1)
    listing = list_source(sources["visual"], Unlimited())
    assert (listing.sessions, listing.requests) == (3, 2)


def test_an_archive_that_asks_for_time_gets_it(server: ArchiveServer, sources: dict[str, Source]) -> None:
    server.fail("assets", status=429, retry_after=9, times=1)
    limiter = NotingLimiter()
    assert list_source(sources["visual"], limiter).sessions == 3
    host = urlsplit(server.url).netloc
    assert (limiter.slots, limiter.deferred) == ([host, host], [(host, 9.0)])


def test_what_is_known_of_an_entry_is_told(sources: dict[str, Source]) -> None:
    known = {"version": "draft", "pin_seen": False, "unproven": "no listing", "differs": "one was lost"}
    listing = list_source(sources["visual"].model_copy(update=known), Unlimited())
    assert listing.marks == ("draft", "pin not seen", "unproven")
    assert (listing.unproven, listing.proven_on, listing.differs) == ("no listing", None, "one was lost")
    assert list_source(sources["visual"], Unlimited()).marks == ()


def test_what_is_not_there_is_said(sources: dict[str, Source]) -> None:
    with pytest.raises(AssetError, match="990009"):
        list_source(sources["gone"], Unlimited())
    with pytest.raises(CallError, match="is not a folder"):
        list_source(sources["folder"], Unlimited())


def test_a_folder_has_nothing_to_fetch_and_its_subjects_may_be_unknown(
    sources: dict[str, Source], tmp_path: Path
) -> None:
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings" / "day.nwb").write_bytes(b"bytes")
    listing = list_source(sources["folder"], Unlimited())
    assert (listing.sessions, listing.subjects, listing.requests) == (1, None, 0)
    assert (listing.bytes_selected, listing.fetch, listing.version) == (5, "in place", None)
