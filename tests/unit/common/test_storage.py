"""The store: a file is there whole or not at all, and a store has one ledger."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from services.common.errors import StoreError
from services.common.storage import Store

NAME = "chunks/a/chunk.parquet"
MEMORY = Path("/dev/shm")  # noqa: S108 - another file system
_PUBLISH = """
import json, resource, sys
from pathlib import Path
from services.common.errors import StoreError
from services.common.storage import Store
root, local, sha256, size, limit = json.loads(sys.argv[1])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    Store(Path(root)).publish(Path(local), "chunks/a/chunk.parquet", sha256=sha256, size=size)
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
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_a_published_file_has_its_name_and_its_bytes(store: Store) -> None:
    with store.draft("1.1") as folder:
        local, sha256, size = draft(folder)
        store.publish(local, NAME, sha256=sha256, size=size)
    assert files_in(store.root) == [NAME]
    assert store.path(NAME).read_bytes() == b"counts"
    assert store.size(NAME) == len(b"counts")
    assert store.drafts() == []


def test_publishing_again_replaces_the_file(store: Store) -> None:
    for content in (b"old", b"newer"):
        local, sha256, size = draft(store.root / "draft", content)
        store.publish(local, NAME, sha256=sha256, size=size)
    assert store.path(NAME).read_bytes() == b"newer"


@pytest.mark.parametrize("wrong", ["sha256", "size"])
def test_a_file_that_is_not_what_its_writer_says_is_refused(store: Store, wrong: str) -> None:
    with store.draft("1.1") as folder:
        local, sha256, size = draft(folder)
        said = {"sha256": sha256, "size": size} | ({"sha256": "0" * 64} if wrong == "sha256" else {"size": 5})
        with pytest.raises(StoreError, match=r"chunk\.parquet did not reach the store whole"):
            store.publish(local, NAME, **said)  # type: ignore[arg-type]
    assert files_in(store.root) == []
    assert store.size(NAME) is None


def test_a_file_that_is_gone_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="could not take"):
        store.publish(tmp_path / "none", NAME, sha256="0" * 64, size=1)
    assert files_in(store.root) == []


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Give a folder of another file system than the store's, which this fixture does not clean up."""
    if not MEMORY.is_dir() or MEMORY.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("There is one file system only.")
    return MEMORY / f"spikemill-{uuid4().hex}"


def test_a_file_of_another_file_system_is_copied(store: Store, elsewhere: Path) -> None:
    try:
        local, sha256, size = draft(elsewhere)
        store.publish(local, NAME, sha256=sha256, size=size)
    finally:
        shutil.rmtree(elsewhere)
    assert files_in(store.root) == [NAME]


def published_by_a_child(store: Store, local: tuple[Path, str, int], *, limit: int, prefix: list[str]) -> str:
    """Publish in a process of its own; return what it said."""
    arguments = json.dumps([str(store.root), str(local[0]), local[1], local[2], limit])
    command = [*prefix, sys.executable, "-c", _PUBLISH, arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_a_copy_that_is_cut_short_leaves_nothing(store: Store, elsewhere: Path) -> None:
    try:
        local = draft(elsewhere, b"x" * 5000)
        said = published_by_a_child(store, local, limit=1000, prefix=[])
    finally:
        shutil.rmtree(elsewhere)
    assert said.startswith("The store could not take")
    assert "File too large" in said
    assert files_in(store.root) == []


def test_a_full_disk_is_named(store: Store, tmp_path: Path) -> None:
    """The child alone sees a small disk where the store lies."""
    store.root.mkdir()
    alone = (
        ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
    )
    mount = [*alone, "sh", "-c", 'mount -t tmpfs -o size=16k none "$0" && exec "$@"', str(store.root)]
    if (
        not shutil.which("unshare")
        or subprocess.run([*mount, "true"], check=False, capture_output=True).returncode
    ):
        pytest.skip("A small disk cannot be mounted here.")
    said = published_by_a_child(store, draft(tmp_path / "draft", os.urandom(100_000)), limit=0, prefix=mount)
    assert said == f"The disk of the store is full ({store.root}/chunks/a); make room, then retry.\n"


def test_a_store_of_another_ledger_is_refused(store: Store) -> None:
    ours, theirs = uuid4(), uuid4()
    store.claim_for(ours)
    store.claim_for(ours)
    with pytest.raises(StoreError, match=f"belongs to another ledger \\({ours}\\)"):
        store.claim_for(theirs)
    assert files_in(store.root) == ["ledger-id"]


def test_a_store_that_cannot_be_made_is_one_readable_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="could not take"):
        Store(tmp_path / "file" / "store").claim_for(uuid4())


def test_a_draft_that_cannot_be_made_is_one_readable_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="could not take"), Store(tmp_path / "file").draft("1.1"):
        pass


def test_a_folder_in_the_place_of_the_pile_is_one_readable_error(store: Store) -> None:
    (store.root / "pile").mkdir(parents=True)
    with pytest.raises(StoreError, match=r"could not take .*/pile: Is a directory"):
        store.switch_pile("1" * 64)
    assert [path.name for path in store.root.iterdir()] == ["pile"]


def test_the_pile_leads_to_the_newest_release(store: Store) -> None:
    store.root.mkdir()
    assert store.pile() is None
    for digest in ("one", "two"):
        store.switch_pile(digest)
        assert store.pile() == digest
    assert sorted(path.name for path in store.root.iterdir()) == ["pile"]


def test_what_is_gone_may_be_removed_again(store: Store) -> None:
    store.remove(NAME)
    assert store.size(NAME) is None
