"""A pile is read where it stands, or brought here from an object store."""

import hashlib
from pathlib import Path

import pytest

from spikemill.services.cli.home import pile_here
from spikemill.services.common.errors import CallError
from spikemill.services.common.store import Store, open_store

DIGEST = "1" * 64
FILES = {"provenance.jsonl": b"{}", "data/train-00000-of-00001.parquet": b"rows"}


@pytest.fixture
def store(s3_prefix: str) -> Store:
    """Give a store of objects that holds a small pile."""
    assert s3_prefix
    found = open_store()
    with found.draft("1.1") as folder:
        for name, content in FILES.items():
            local = folder / Path(name).name
            local.write_bytes(content)
            sha256 = hashlib.sha256(content).hexdigest()
            found.publish(local, f"piles/{DIGEST}/{name}", sha256=sha256, size=len(content))
    return found


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_a_folder_is_itself(tmp_path: Path) -> None:
    with pile_here(str(tmp_path)) as folder:
        assert folder == tmp_path


def test_a_pile_in_a_bucket_is_brought_here_for_a_while(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    with pile_here(f"{store.place}/piles/{DIGEST}") as folder:
        assert contents(folder) == FILES
    assert not folder.exists()
    assert capsys.readouterr().out.startswith(f"Reading 6 B from {store.place}/piles/{DIGEST}")


def test_a_store_stands_for_its_newest_pile(store: Store) -> None:
    store.switch_pile(DIGEST)
    with pile_here(store.place) as folder:
        assert contents(folder) == FILES


def test_a_store_without_a_pile_says_so(store: Store) -> None:
    with pytest.raises(CallError, match=rf"{store.place} holds no pile; name a store"):
        pile_here(store.place).__enter__()
