"""What `catalog/rodent.toml` selects of the listings that were taken of the archives, and of known names."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.rodent_archive import files_of, listing_of
from spikemill.services.cli.format import count
from spikemill.services.common.catalog import DandiSource, Source, load_catalogue
from spikemill.services.common.errors import CatalogueError
from spikemill.services.common.types import Asset, PlannedSession
from spikemill.services.downloader.selection import select_sessions
from standins.archive.recorded_listing import recorded_on
from tests.samples.listings import LISTINGS, MISSING

SOURCES = {source.name: source for source in load_catalogue("rodent").sources}
LISTED = [name for name, source in SOURCES.items() if source.proven_on is not None]
ORIGINAL = {
    *("vbn", "ibl-2023", "shield", "vcn", "vcn-2", "v2h", "petersen", "oddball", "illusion", "huszar"),
    *("steinmetz", "finkelstein", "giocomo", "steinmetz-2", "mehrotra", "iurilli", "gonzalez", "li"),
}
LATER = {"lemerre", "peyrache", "prince", "senzai", "grosmark", "jaramillo", "fujisawa"}
OTHER_FIGURES = {"huszar": (65, 11), "li": (99, 19), "lemerre": (50, 41)}
"""Sessions and subjects of the sources whose published figures count something else."""
NO_SPIKES = re.compile(r"_probe-\d+_ecephys|[_-]raw|raw-only|_image|\+image|ophys|\.mp4$|face_proc")
"""What the names of field potentials, raw signals, images and videos have in them."""


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest) -> Source:
    """Give each entry whose listing is at hand, or whose names are known."""
    source = SOURCES[request.param]
    if source.name in LISTED:
        require_listing(source)
    return source


def require_listing(source: Source) -> Path:
    """Return the listing that was taken of a source; skip the test where it is not on this machine."""
    listing = listing_of(source, LISTINGS)
    if not listing.is_file():
        pytest.skip(MISSING)
    return listing


def listed(source: Source) -> dict[str, Asset]:
    """Return what the archive lists of a source, by path."""
    return {
        file.path: Asset(file.asset_id, file.path, file.size, has_units="Units" in file.variables)
        for file in files_of(source, LISTINGS)
    }


def paths(sessions: Sequence[PlannedSession]) -> list[str]:
    return [asset.path for session in sessions for asset in session.assets]


def test_the_sources_are_those_of_the_published_piles_and_the_present_ibl() -> None:
    assert set(SOURCES) == ORIGINAL | LATER | {"ibl"}
    assert [name for name, source in SOURCES.items() if not source.default] == ["ibl-2023"]
    assert sum(tokens(name) for name in ORIGINAL) == 441_465_416_046
    assert sum(tokens(name) for name in ORIGINAL | LATER) == 452_793_851_799


def tokens(name: str) -> int:
    expected = SOURCES[name].expect
    assert expected is not None
    assert expected.tokens is not None
    return expected.tokens


@pytest.mark.parametrize("name", SOURCES)
def test_each_entry_says_what_its_patterns_were_tried_on_or_why_not(name: str) -> None:
    source = SOURCES[name]
    assert (source.proven_on is None) != (source.unproven is None)
    assert source.fetch == ("stream" if isinstance(source, DandiSource) else "copy")


def test_each_entry_selects_what_was_published_or_says_why_not(source: Source) -> None:
    sessions = select_sessions(listed(source).values(), source)
    found = len(sessions), len({session.subject_id for session in sessions})
    assert source.expect is not None
    published = source.expect.sessions, source.expect.subjects
    assert found == OTHER_FIGURES.get(source.name, published)
    assert (found == published) == (source.differs is None)


def test_every_selected_file_holds_spikes(source: Source) -> None:
    assets = listed(source)
    selected = paths(select_sessions(assets.values(), source))
    assert not [path for path in selected if NO_SPIKES.search(path)]
    without_units = [path for path in selected if not assets[path].has_units]
    assert without_units == (selected if source.reader == "nwb-rates" else [])


def test_nothing_more_is_selected_where_the_archive_does_not_say_what_its_files_hold(source: Source) -> None:
    assets = listed(source)
    told = paths(select_sessions(assets.values(), source))
    untold = [replace(asset, has_units=None) for asset in assets.values()]
    if isinstance(source, DandiSource) and source.has_units:
        with pytest.raises(CatalogueError, match="none of the"):
            select_sessions(untold, source)
    else:
        assert paths(select_sessions(untold, source)) == told


@pytest.mark.parametrize("name", LISTED)
def test_the_listing_that_proves_an_entry_is_named_with_its_date(name: str) -> None:
    source = SOURCES[name]
    day = recorded_on(require_listing(source))
    assert source.proven_on == f"the listing of {day}, {count(len(listed(source)), 'asset')}"


def test_the_subjects_of_vbn_are_mice() -> None:
    sessions = select_sessions(listed(SOURCES["vbn"]).values(), SOURCES["vbn"])
    assert all(re.fullmatch(r"sub-\d{6}", str(session.subject_id)) for session in sessions)


def test_no_day_of_giocomo_is_taken_twice() -> None:
    source = SOURCES["giocomo"]
    require_listing(source)
    sessions = select_sessions(listed(source).values(), source)
    days = {kind: Counter(map(day, ending(sessions, kind))) for kind in ("_behavior", "_behavior+ecephys")}
    assert not days["_behavior"] & days["_behavior+ecephys"]
    # Several recordings of a day differ in the `obj-` part of their names, which is part of the session's id.
    assert max(days["_behavior"].values()) > 1
    assert len(sessions) == days["_behavior"].total() + days["_behavior+ecephys"].total() == 349


def ending(sessions: Sequence[PlannedSession], kind: str) -> list[str]:
    return [session.session_id for session in sessions if session.session_id.endswith(kind)]


def day(session: str) -> str:
    return "_".join(session.split("_")[:2])


def test_the_probes_of_a_session_of_lemerre_are_one() -> None:
    sessions = select_sessions(listed(SOURCES["lemerre"]).values(), SOURCES["lemerre"])
    by_name = {session.session_id: session for session in sessions}
    assert len(by_name["ses-PL062-20200420"].assets) == 3
    twice = [by_name[f"ses-518804-{number}"].subject_id for number in ("20220228", "20220301")]
    assert twice == ["sub-518804", "sub-518804"]


def test_the_subjects_of_steinmetz_2_are_named_by_its_files() -> None:
    sessions = select_sessions(listed(SOURCES["steinmetz-2"]).values(), SOURCES["steinmetz-2"])
    assert [session.subject_id for session in sessions] == ["Krebs", "Robbins", "Waksman"]
