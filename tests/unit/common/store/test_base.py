"""What every store promises: a file is there whole or not at all, and a store has one ledger."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest

from spikemill.services.common.errors import StoreError
from spikemill.services.common.store import Store, UnreadableFileError
from tests.unit.common.store.files import NAME, bytes_of, publish

pytestmark = pytest.mark.slow


def test_a_published_file_has_its_name_and_its_bytes(store: Store) -> None:
    sha256 = publish(store)
    assert store.files("chunks") == {NAME: 6}
    assert store.digest(NAME) == sha256
    assert bytes_of(store) == b"counts"
    assert store.drafts() == []


def test_parts_of_a_file_can_be_read(store: Store) -> None:
    publish(store, b"0123456789")
    assert store.read(NAME, 0, 4) == b"0123"
    assert store.read(NAME, 7, 3) == b"789"
    assert store.read(NAME, 7, 9) == b"789"
    assert store.read(NAME, 3, 0) == b""
    assert store.tail(NAME, 2) == b"89"
    assert store.tail(NAME, 99) == b"0123456789"


def test_publishing_again_replaces_the_file(store: Store) -> None:
    publish(store, b"old")
    state = store.state(NAME)
    assert store.state(NAME) == state
    publish(store, b"new")
    assert bytes_of(store) == b"new"
    assert store.state(NAME) != state


def test_the_same_file_may_be_published_twice(store: Store) -> None:
    """Its job may have died between the two: published, and not yet recorded."""
    assert publish(store) == publish(store)
    assert store.files("chunks") == {NAME: 6}


@pytest.mark.parametrize("wrong", ["sha256", "size"])
def test_a_file_that_is_not_what_its_writer_says_is_refused(store: Store, wrong: str) -> None:
    sha256, size = hashlib.sha256(b"counts").hexdigest(), 6
    with store.draft("1.1") as folder:
        local = folder / "chunk.parquet"
        local.write_bytes(b"counts")
        with pytest.raises(StoreError, match=r"chunk\.parquet did not reach the store whole"):
            store.publish(
                local,
                NAME,
                sha256="0" * 64 if wrong == "sha256" else sha256,
                size=5 if wrong == "size" else size,
            )
    assert store.files("chunks") == {}


def test_what_is_not_there_is_told_by_its_name(store: Store) -> None:
    for ask in (store.state, store.digest, lambda name: store.tail(name, 8)):
        with pytest.raises(UnreadableFileError, match=r"chunk\.parquet cannot be read"):
            ask(NAME)
    with pytest.raises(UnreadableFileError, match=r"chunk\.parquet cannot be read"):
        store.read(NAME, 0, 1)


def test_what_is_gone_may_be_removed_again(store: Store) -> None:
    publish(store)
    for _ in range(2):
        store.remove(NAME)
        store.remove_folder("chunks")
    assert store.files("chunks") == {}


def test_a_folder_goes_with_all_that_it_holds_and_nothing_else(store: Store) -> None:
    names = ["piles/1/data/a", "piles/1/data/b", "piles/1/README.md", "piles/11/README.md", "other/1/c"]
    for name in names:
        publish(store, name=name)
    assert store.folders("piles") == ["1", "11"]
    assert sorted(store.files("piles/1")) == sorted(names[:3])
    store.remove_folder("piles/1")
    assert store.folders("piles") == ["11"]
    assert {*store.files("piles"), *store.files("other")} == set(names[3:])
    assert store.folders("nothing") == []


def test_a_store_of_another_ledger_is_refused(store: Store) -> None:
    ours, theirs = uuid4(), uuid4()
    store.assert_owner(ours)
    store.assert_owner(ours)
    with pytest.raises(StoreError, match=f"belongs to another ledger \\({ours}\\)"):
        store.assert_owner(theirs)


def test_of_ledgers_that_claim_a_store_at_once_one_has_it(store: Store) -> None:
    ledgers = [uuid4() for _ in range(8)]
    with ThreadPoolExecutor(len(ledgers)) as threads:
        outcomes = list(threads.map(lambda ledger: _claims(store, ledger), ledgers))
    assert outcomes.count(True) == 1
    store.assert_owner(ledgers[outcomes.index(True)])


def _claims(store: Store, ledger: UUID) -> bool:
    try:
        store.assert_owner(ledger)
    except StoreError:
        return False
    return True


def test_the_pile_is_the_newest_release(store: Store) -> None:
    store.assert_owner(uuid4())
    assert store.pile() is None
    for digest in ("1" * 64, "2" * 64):
        store.switch_pile(digest)
        assert store.pile() == digest


def test_a_draft_is_gone_after_its_owner_whatever_happened(store: Store) -> None:
    with pytest.raises(IsADirectoryError), store.draft("1.1") as folder:
        folder.write_bytes(b"counts")
    assert not folder.exists()
