"""A store that is a folder: what a disk and a file system may do to it."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from spikemill.services.common.errors import StoreError
from spikemill.services.common.store import FolderStore
from tests.unit.common.store.small_disks import on_small_disk

NAME = "chunks/a/chunk.parquet"
MEMORY = Path("/dev/shm")  # noqa: S108 - another file system
_PUBLISH = """
import json, resource, sys
from pathlib import Path
from spikemill.services.common.errors import StoreError
from spikemill.services.common.store import FolderStore
root, local, sha256, size, limit = json.loads(sys.argv[1])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    FolderStore(Path(root)).publish(Path(local), "chunks/a/chunk.parquet", sha256=sha256, size=size)
except StoreError as error:
    print(error)
"""


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def draft(folder: Path, content: bytes = b"counts") -> tuple[Path, str, int]:
    folder.mkdir(parents=True, exist_ok=True)
    local = folder / "chunk.parquet"
    local.write_bytes(content)
    return local, hashlib.sha256(content).hexdigest(), len(content)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def test_a_file_that_is_gone_is_refused(store: FolderStore, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        store.publish(tmp_path / "none", NAME, sha256="0" * 64, size=1)
    assert files_in(store.root) == []


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Give a folder of another file system than the store's, which this fixture does not clean up."""
    if not MEMORY.is_dir() or MEMORY.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("There is one file system only.")
    return MEMORY / f"spikemill-{uuid4().hex}"


def test_a_file_of_another_file_system_is_copied(store: FolderStore, elsewhere: Path) -> None:
    try:
        local, sha256, size = draft(elsewhere)
        store.publish(local, NAME, sha256=sha256, size=size)
    finally:
        shutil.rmtree(elsewhere)
    assert files_in(store.root) == [NAME]


def publishing(store: FolderStore, local: tuple[Path, str, int], *, limit: int) -> list[str]:
    """Return the command that publishes in a process of its own, and says what came of it."""
    arguments = json.dumps([str(store.root), str(local[0]), local[1], local[2], limit])
    return [sys.executable, "-c", _PUBLISH, arguments]


def test_a_copy_that_is_cut_short_leaves_nothing(store: FolderStore, elsewhere: Path) -> None:
    try:
        local = draft(elsewhere, b"x" * 5000)
        command = publishing(store, local, limit=1000)
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    finally:
        shutil.rmtree(elsewhere)
    assert "cannot be written" in said
    assert "File too large" in said
    assert files_in(store.root) == []


def test_a_full_disk_is_named(store: FolderStore, tmp_path: Path) -> None:
    """The child alone sees a small disk where the store lies."""
    store.root.mkdir()
    said = on_small_disk(
        store.root, publishing(store, draft(tmp_path / "draft", os.urandom(100_000)), limit=0)
    )
    expected = "cannot be written: the disk is full; make room there, then retry.\n"
    assert said == f"{store.root}/{NAME} {expected}"


def test_a_store_that_cannot_be_made_is_one_readable_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be written"):
        FolderStore(tmp_path / "file" / "store").assert_owner(uuid4())


def test_a_draft_that_cannot_be_made_is_one_readable_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be written"), FolderStore(tmp_path / "file").draft("1.1"):
        pass


def test_a_folder_in_the_place_of_the_pile_is_one_readable_error(store: FolderStore) -> None:
    (store.root / "pile").mkdir(parents=True)
    with pytest.raises(StoreError, match=r"/pile cannot be written: Is a directory"):
        store.switch_pile("1" * 64)
    assert [path.name for path in store.root.iterdir()] == ["pile"]
