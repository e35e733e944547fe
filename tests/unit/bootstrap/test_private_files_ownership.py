"""Folders change hands, but never out of a person's."""

import os
from pathlib import Path

import pytest

from deploy.bootstrap.private_files import Owner, OwnershipError, chown_store, chown_tree, owner_of

ME = Owner(os.getuid(), os.getgid())
SERVICES = Owner(4321, 4322)
PERSON = Owner(4400, 4400)

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")


def store_of(owner: Owner, folder: Path) -> Path:
    """Make a store with a chunk and a pile in a folder that also holds something else."""
    store = folder / "var"
    for file in ("chunks/a/1.parquet", "piles/1/README.md", "demo/state/secret", "ledger-id"):
        path = store / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (store / "pile").symlink_to("piles/1")
    for path in [store, *store.rglob("*")]:
        os.chown(path, owner.uid, owner.gid, follow_symlinks=False)
    return store


def owners(store: Path) -> dict[str, Owner]:
    return {path.relative_to(store).as_posix(): owner_of(path) for path in [store, *store.rglob("*")]}


def test_what_is_the_services_already_is_left_alone(tmp_path: Path) -> None:
    store = store_of(ME, tmp_path)
    chown_store(store, ME, caller=PERSON)
    assert set(owners(store).values()) == {ME}


@as_root
@pytest.mark.parametrize("before", [ME, Owner(4000, 4000)])
def test_the_store_is_handed_over_and_its_neighbours_are_not(tmp_path: Path, before: Owner) -> None:
    store = store_of(before, tmp_path)
    chown_store(store, SERVICES, caller=PERSON)
    kept = {name for name, owner in owners(store).items() if owner == before}
    assert kept == {"demo", "demo/state", "demo/state/secret"}
    assert {owner for name, owner in owners(store).items() if name not in kept} == {SERVICES}


@as_root
def test_the_store_of_the_caller_is_never_taken_away(tmp_path: Path) -> None:
    store = store_of(PERSON, tmp_path)
    with pytest.raises(OwnershipError, match=r"printf 'SPIKEMILL_UID.*4400 4400 >> \.env$"):
        chown_store(store, SERVICES, caller=PERSON)
    assert set(owners(store).values()) == {PERSON}


@as_root
def test_a_folder_that_was_half_handed_over_is_begun_again(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    (spool / "session").mkdir(parents=True)
    os.chown(spool / "session", SERVICES.uid, SERVICES.gid)
    (spool / "session" / "copy").touch()
    chown_tree(spool, SERVICES)
    assert set(owners(spool).values()) == {SERVICES}
