"""A pile that is to be pushed is found where it stands, with the release that it is."""

import hashlib
from pathlib import Path

import pytest

from spikemill.services.cli.push import named_pile
from spikemill.services.common.errors import CallError
from spikemill.services.common.store import Store, open_store

DIGEST = "1" * 64


def pile(folder: Path) -> Path:
    """Put a file into a folder that makes it a pile."""
    folder.mkdir(parents=True)
    (folder / "provenance.jsonl").write_bytes(b"{}")
    return folder


def test_a_pile_of_a_home_knows_its_release_and_stays_the_same_when_the_link_is_switched(
    tmp_path: Path,
) -> None:
    folder = pile(tmp_path / "home" / "piles" / DIGEST)
    link = tmp_path / "home" / "pile"
    link.symlink_to(f"piles/{DIGEST}")
    found = named_pile(str(link))
    assert (found.release, found.home and found.home.path) == (DIGEST, tmp_path / "home")
    link.unlink()
    with found.files.local("provenance.jsonl") as path:
        assert path.samefile(folder / "provenance.jsonl")


def test_a_pile_that_stands_alone_is_no_release(tmp_path: Path) -> None:
    found = named_pile(str(pile(tmp_path / "copied")))
    assert (found.release, found.home) == (None, None)


def test_a_folder_without_a_pile_says_so(tmp_path: Path) -> None:
    with pytest.raises(CallError, match="holds no pile"):
        named_pile(str(tmp_path))


@pytest.fixture
def store(s3_prefix: str, tmp_path: Path) -> Store:
    """Give a store of objects that holds a pile."""
    assert s3_prefix
    found = open_store()
    local = tmp_path / "provenance.jsonl"
    local.write_bytes(b"{}")
    found.publish(
        local, f"piles/{DIGEST}/{local.name}", sha256=hashlib.sha256(b"{}").hexdigest(), size=len(b"{}")
    )
    return found


@pytest.mark.parametrize("named_by", ["store", "pile"])
def test_a_pile_in_a_bucket_is_read_there(store: Store, named_by: str) -> None:
    store.switch_pile(DIGEST)
    place = store.place if named_by == "store" else f"{store.place}/piles/{DIGEST}/"
    found = named_pile(place)
    assert (found.release, found.home) == (DIGEST, None)
    assert found.files.provenance_sha256 == hashlib.sha256(b"{}").hexdigest()


def test_a_bucket_without_a_pile_says_so(store: Store) -> None:
    with pytest.raises(CallError, match="holds no pile"):
        named_pile(f"{store.place}/elsewhere")
