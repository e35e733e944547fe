"""From a pile's provenance to the build that makes it again."""

from pathlib import Path

import pytest

from spikemill.services.cli.rebuild import read_recipe
from spikemill.services.common.errors import CallError, DamagedOutputError
from tests.unit.cli.provenances import DANDI, provenance


@pytest.fixture
def pile(tmp_path: Path) -> Path:
    """Give a pile of which only the provenance stands."""
    (tmp_path / "provenance.jsonl").write_bytes(provenance().to_bytes())
    return tmp_path


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Give the folder that the pile's local source was made from."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    return folder


def test_all_that_decides_the_bytes_is_asked_for_again(pile: Path, recordings: Path) -> None:
    request = read_recipe(pile, [f"lab={recordings}"]).request
    assert (request.pile, request.notes, request.session_limit) == ("pile", "notes", 5)
    assert (request.parameters["seed"], request.parameters["shard_bytes"]) == (7, 99)
    assert not request.allow_missing
    lab, vcn = request.sources
    assert vcn.config["identifier"] == "000021"
    assert vcn.api == "https://api.dandiarchive.org/api"
    assert (vcn.config["fetch"], lab.config["fetch"]) == ("stream-or-copy", "copy")
    assert (lab.config["identifier"], lab.config["bin_size"]) == (str(recordings), 0.01)


@pytest.mark.parametrize(
    ("folders", "problem"),
    [
        ([], r"made from a folder called 'recordings' .*--folder lab=PATH"),
        (["lab=elsewhere"], r"must be called 'recordings'"),
        (["lab"], r"--folder lab: write the source's name, = and its folder"),
        (["vcn=recordings"], r"no source of archive files in .* is called so"),
    ],
)
def test_a_folder_that_is_not_there_is_one_clear_sentence(
    pile: Path, folders: list[str], problem: str
) -> None:
    with pytest.raises(CallError, match=problem):
        read_recipe(pile, folders)


def test_a_folder_that_is_no_pile_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CallError, match="name the folder of a pile"):
        read_recipe(tmp_path, [])


def test_a_damaged_provenance_is_refused(pile: Path) -> None:
    (pile / "provenance.jsonl").write_text("{}\n")
    with pytest.raises(DamagedOutputError, match="line 1"):
        read_recipe(pile, [])


def test_an_entry_that_this_version_cannot_build_is_named(pile: Path) -> None:
    later = provenance(sources=(DANDI | {"reader": "later"},))
    (pile / "provenance.jsonl").write_bytes(later.to_bytes())
    with pytest.raises(CallError, match=r'provenance\.jsonl: source "vcn", reader: "later" is not known'):
        read_recipe(pile, [])
