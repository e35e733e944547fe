"""The demo's archive is what its catalogue says of it."""

import re
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from wcmatch import glob

from spikemill.services.common.types import digest
from standins.archive.content import DRAFT, ArchiveFile, MadeUpArchive
from standins.archive.holdings import demo_archive

CATALOGUE = Path(__file__).parents[4] / "catalog" / "demo.toml"
SOURCES: dict[str, dict[str, Any]] = {
    source["name"]: source for source in tomllib.loads(CATALOGUE.read_text())["source"]
}
PINNED = "f48a874b48c79381aca4160f0a60151ffb3885ba2c1efb166646410323dbd469"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> MadeUpArchive:
    return demo_archive(tmp_path_factory.mktemp("demo"))


def _listing(demo: MadeUpArchive, source: dict[str, Any]) -> list[ArchiveFile]:
    """Every file of the version that the source names."""
    if source["archive"] == "figshare":
        article = demo.article(int(source["identifier"]))
        assert article is not None
        return list(article.versions[source["version"]])
    dandiset = demo.dandiset(source["identifier"])
    assert dandiset is not None
    files = dandiset.files(source["version"])
    assert files is not None
    return list(files)


def _sessions(demo: MadeUpArchive, source: dict[str, Any]) -> dict[str, list[ArchiveFile]]:
    """The files that the source selects, by session."""
    sessions = defaultdict(list)
    for file in sorted(_listing(demo, source), key=lambda file: file.path):
        if glob.globmatch(
            file.path,
            source["include"],
            exclude=source.get("exclude") or None,
            flags=glob.GLOBSTAR | glob.CASE,
        ):
            found = re.search(source.get("group", ".+"), file.path)
            assert found
            sessions[found[0]].append(file)
    return sessions


def _shape(files: list[ArchiveFile]) -> tuple[int, int]:
    """Units and bins of a session, by numpy's own edges."""
    units, latest = 0, 0.0
    for file in files:
        assert isinstance(file.content, Path)
        with h5py.File(file.content) as nwb:
            units += len(nwb["units/id"])
            latest = max(latest, nwb["units/spike_times"][:].max())
    return units, len(np.arange(0, latest + 0.02, 0.02)) - 1


@pytest.mark.parametrize("name", SOURCES)
def test_the_expected_figures_are_true(demo: MadeUpArchive, name: str) -> None:
    sessions = _sessions(demo, SOURCES[name])
    shapes = [_shape(files) for files in sessions.values()]
    subjects = {re.findall(r"sub-([^/_]+)", session)[0] for session in sessions}
    assert SOURCES[name]["expect"] == {
        "sessions": len(sessions),
        "subjects": len(subjects),
        "tokens": sum(units * bins for units, bins in shapes),
    }
    assert max(units * bins for units, bins in shapes) > 10_000_000


def test_the_whole_is_about_sixty_million_tokens() -> None:
    assert 55e6 < sum(source["expect"]["tokens"] for source in SOURCES.values()) < 65e6


def test_without_its_filter_the_first_source_would_count_units_twice(demo: MadeUpArchive) -> None:
    source = SOURCES["demo-visual"]
    unfiltered = _sessions(demo, {**source, "exclude": []})
    assert len(unfiltered) == 10
    assert sum("Units" in file.variables for files in unfiltered.values() for file in files) == 6


def test_the_draft_has_more_than_the_pinned_version(demo: MadeUpArchive) -> None:
    source = SOURCES["demo-visual"]
    assert len(_sessions(demo, {**source, "version": DRAFT})) == len(_sessions(demo, source)) + 1


def test_probes_are_grouped_into_sessions(demo: MadeUpArchive) -> None:
    sessions = _sessions(demo, SOURCES["demo-probes"])
    assert {session: len(files) for session, files in sessions.items()} == {
        "sub-A_ses-day1": 2,
        "sub-A_ses-day2": 1,
        "sub-B_ses-day1": 2,
    }


def test_the_recordings_of_the_article_are_not_all_on_its_first_page(demo: MadeUpArchive) -> None:
    listing = _listing(demo, SOURCES["demo-deposit"])
    assert len(listing) > 10
    assert sum(file.name.endswith(".nwb") for file in listing[10:]) == 4
    assert len({file.number for file in listing}) == len(listing)


def test_one_asset_has_no_sha256(demo: MadeUpArchive) -> None:
    selected = [
        file for source in SOURCES.values() for files in _sessions(demo, source).values() for file in files
    ]
    assert [bool(file.withheld) for file in selected].count(True) == 1


def test_all_kinds_of_index_occur(demo: MadeUpArchive) -> None:
    kinds = set()
    for source in SOURCES.values():
        for files in _sessions(demo, source).values():
            for file in files:
                assert isinstance(file.content, Path)
                with h5py.File(file.content) as nwb:
                    kinds.add(str(nwb["units/spike_times_index"].dtype))
    assert kinds == {"uint16", "uint32", "int32", "int64"}


def test_ids_and_digests_are_the_same_everywhere(demo: MadeUpArchive) -> None:
    if h5py.__version__ != "3.16.0":
        pytest.skip("the bytes are promised for the locked version of h5py, 3.16.0")
    facts = [
        [file.path, file.asset_id, file.number, file.size, file.digests.sha256, file.digests.dandi_etag]
        for source in SOURCES.values()
        for file in _listing(demo, source)
    ]
    assert digest(facts) == PINNED


def test_the_catalogue_says_that_the_data_are_made_up() -> None:
    assert "made up" in tomllib.loads(CATALOGUE.read_text())["pile"]["notes"]
