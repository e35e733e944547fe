"""Which sessions a listing has."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikemill.services.common.catalog import Source, source_from_record
from spikemill.services.common.errors import CatalogueError
from spikemill.services.common.types import Asset, PlannedSession
from spikemill.services.downloader.selection import select_sessions


def entry(**keys: Any) -> Source:
    return source_from_record(
        {
            "name": "s",
            "archive": "dandi",
            "identifier": "000021",
            "version": "0.1.1",
            "species": "mouse",
            "license": "CC-BY-4.0",
            "redistributable": True,
            "citation": "us",
            **keys,
        }
    )


def listing(*paths: str, has_units: bool | None = None) -> list[Asset]:
    return [Asset(f"id-{path}", path, 1, has_units=has_units) for path in paths]


def names(sessions: list[PlannedSession]) -> list[tuple[str | None, str]]:
    return [(session.subject_id, session.session_id) for session in sessions]


@pytest.mark.parametrize(
    ("path", "subject", "session"),
    [
        ("sub-1/sub-1_ses-2_behavior+ecephys.nwb", "sub-1", "sub-1_ses-2_behavior+ecephys"),
        ("deep/sub-1/a.nwb", "sub-1", "a"),
        ("2024-05/a.nwb", "2024-05", "a"),
        ("sub-Cori_ses-20161214T120000.nwb", "sub-Cori", "sub-Cori_ses-20161214T120000"),
        ("ses-1_sub-Cori.nwb", "sub-Cori", "ses-1_sub-Cori"),
        ("spksKrebs_Feb18.mat", None, "spksKrebs_Feb18"),
        ("mysub-1.v2.nwb", None, "mysub-1.v2"),
    ],
)
def test_who_a_session_is(path: str, subject: str | None, session: str) -> None:
    (asset,) = listing(path)
    assert select_sessions([asset], entry(include=["**/*"])) == [
        PlannedSession(path, session, subject, (asset,))
    ]


def test_include_exclude_and_units_select(tmp_path: Path) -> None:
    assets = [
        *listing("sub-1/a.nwb", "sub-1/a_image.nwb", "sub-1/notes.txt", has_units=True),
        *listing("sub-1/b.nwb", has_units=False),
        *listing("sub-1/c.nwb"),
    ]
    exclude = ["**/*_image.nwb"]
    assert names(select_sessions(assets, entry(exclude=exclude, has_units=True))) == [("sub-1", "a")]
    assert len(select_sessions(assets, entry(exclude=exclude))) == 3
    folder = entry_of_folder(tmp_path)
    assert len(select_sessions(assets, folder)) == 4


def entry_of_folder(folder: Path) -> Source:
    return source_from_record({"name": "lab", "archive": "files", "identifier": str(folder)})


def test_names_are_composed_unicode() -> None:
    (session,) = select_sessions(listing("sub-e\u0301/a\u0308.nwb"), entry())
    assert (session.key, session.subject_id, session.session_id) == ("sub-é/ä.nwb", "sub-é", "ä")
    assert session.assets[0].path == "sub-e\u0301/a\u0308.nwb"


def test_paths_that_are_one_text_are_refused() -> None:
    with pytest.raises(CatalogueError, match="2 assets are subject sub-é, session a"):
        select_sessions(listing("sub-e\u0301/a.nwb", "sub-é/a.nwb"), entry())


@pytest.mark.parametrize(
    "group",
    ["sub-[^/]+_ses-[^_]+", "(sub-[^/]+_ses-[^_]+)_probe", r"(sub-.+)/(?P<session>sub-.+_ses-[^_]+)_p"],
)
def test_a_group_joins_assets_of_one_session(group: str) -> None:
    first = listing("sub-1/sub-1_ses-1_probe-0.nwb", "sub-1/sub-1_ses-1_probe-1.nwb")
    second = listing("sub-1/sub-1_ses-2_probe-0.nwb")
    assert select_sessions([*first, *second], entry(group=group)) == [
        PlannedSession("sub-1_ses-1", "sub-1_ses-1", "sub-1", tuple(first)),
        PlannedSession("sub-1_ses-2", "sub-1_ses-2", "sub-1", tuple(second)),
    ]


def test_a_group_that_finds_nothing_names_the_asset() -> None:
    with pytest.raises(CatalogueError, match=r"finds no session in 'sub-1/b\.nwb'"):
        select_sessions(listing("sub-1/sub-1_ses-1.nwb", "sub-1/b.nwb"), entry(group="ses-[0-9]+"))


def test_a_group_does_not_join_subjects() -> None:
    with pytest.raises(CatalogueError, match=r"'ses-1' joins assets of 2 subjects \(sub-1, sub-2\)"):
        select_sessions(listing("sub-1/ses-1.nwb", "sub-2/ses-1.nwb"), entry(group="ses-[0-9]+"))


def test_two_sessions_of_one_name_are_refused() -> None:
    with pytest.raises(
        CatalogueError, match=r"2 assets are subject day, session a: x/day/a\.nwb, y/day/a\.nwb"
    ):
        select_sessions(listing("x/day/a.nwb", "y/day/a.nwb"), entry())


def test_nothing_selected_tells_what_there_is() -> None:
    with pytest.raises(CatalogueError) as caught:
        select_sessions(listing("a/x.mat", "a/y.mat", "z.txt"), entry(has_units=True))
    assert "none of the 3 assets" in str(caught.value)
    assert "**/*.nwb" in str(caught.value)
    assert "has_units" in str(caught.value)
    assert ".mat (2), .txt (1)" in str(caught.value)
    with pytest.raises(CatalogueError, match="the archive lists none"):
        select_sessions([], entry())


def test_a_pattern_for_names_that_would_do_nothing_is_refused() -> None:
    assets = listing("sub-1/a.nwb", "sub-1/a_probe-0.nwb")
    with pytest.raises(CatalogueError, match=r'exclude: "\*_probe-\*" .* 1 assets .* "\*\*/\*_probe-\*"'):
        select_sessions(assets, entry(exclude=["*_probe-*"]))
    with pytest.raises(CatalogueError, match=r'include: "\*\.nwb" .* 2 assets'):
        select_sessions(assets, entry(include=["*.nwb"]))


def test_a_pattern_kept_as_a_precaution_is_no_mistake() -> None:
    exclude = ["*_tmp.nwb", "**/*_raw.nwb"]
    assert len(select_sessions(listing("a.nwb"), entry(exclude=exclude))) == 1


@given(st.permutations(["sub-a/1.nwb", "sub-B/1.nwb", "sub-B/2.nwb", "sub-ä/1.nwb", "z.nwb", "sub-a0/1.nwb"]))
def test_the_listings_order_does_not_matter(paths: list[str]) -> None:
    sessions = select_sessions(listing(*paths), entry())
    assert [session.key.encode() for session in sessions] == sorted(path.encode() for path in paths)


@pytest.mark.parametrize(
    ("subject", "name"),
    [("spks([A-Z][a-z]+)_", "Krebs"), ("spks[A-Z]", "spksK"), (r"(k)s(?P<subject>[A-Z][a-z]+)", "Krebs")],
)
def test_a_subject_is_what_its_expression_finds(subject: str, name: str) -> None:
    source = entry(include=["**/*.mat"], subject=subject)
    assert names(select_sessions(listing("spks/spksKrebs_Feb18.mat"), source)) == [(name, "spksKrebs_Feb18")]


def test_an_expression_that_finds_no_subject_names_the_asset() -> None:
    with pytest.raises(CatalogueError, match=r"s, subject: 'spks' finds no subject in 'sub-1/b\.nwb'; widen"):
        select_sessions(listing("sub-1/b.nwb"), entry(subject="spks"))


def test_folders_of_one_subject_are_one_where_its_expression_says_so() -> None:
    probes = listing("sub-1-1/ses-7_probe-0.nwb", "sub-1-2/ses-7_probe-1.nwb")
    (session,) = select_sessions(probes, entry(group="ses-[0-9]+", subject="sub-[0-9]+"))
    assert (session.subject_id, session.session_id, session.assets) == ("sub-1", "ses-7", tuple(probes))


@pytest.mark.parametrize("accent", ["é", "e\u0301"])
def test_patterns_and_groups_do_not_depend_on_how_accents_are_spelled(accent: str) -> None:
    assets = listing("sub-é/a_ses-é.nwb", "sub-o/b.nwb")
    source = entry(include=[f"sub-{accent}/*.nwb"], group=f"ses-{accent}")
    assert [session.key for session in select_sessions(assets, source)] == ["ses-é"]
