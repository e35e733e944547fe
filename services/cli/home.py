"""What a command opens in a home: its ledger, its store, a pile that stands there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.orm import Session as Transaction

from spikemill.services.cli.format import output, size
from spikemill.services.cli.local.engine import ledger_address, running_address
from spikemill.services.cli.local.home import Home
from spikemill.services.common.errors import CallError
from spikemill.services.common.ledger import build_queries
from spikemill.services.common.migrate import migrate
from spikemill.services.common.settings import settings
from spikemill.services.common.store import FolderStore, Store, is_object_address, open_store, store_at
from spikemill.services.merger.provenance import PROVENANCE, pile_folder

_PREFIX = "SPIKEMILL_"


@contextmanager
def ledger_of(home: Home) -> Iterator[bool]:
    """Let this process use the home's ledger; yields whether workers listen to it.

    Where nothing runs, Postgres is started for as long as the block lasts. Raises `CallError` where there is
    no ledger.
    """
    has_workers = settings().database_url is not None or running_address(home) is not None
    with decided_for_now(), ledger_address(home) as address:
        use_ledger(address)
        if not has_workers:
            migrate()
        yield has_workers


def current_build(transaction: Transaction) -> int:
    """Return the build that people mean when they name none; raises `CallError` where there is none."""
    build = build_queries.newest_build(transaction)
    if build is None:
        raise CallError("Nothing was built with this ledger yet; begin with spikemill build.")
    return build


def how_it_goes_on(home: Home, *, has_workers: bool) -> str:
    """Say what a person does next after a change of the ledger."""
    if has_workers:
        return "The running build takes it up."
    return f"The same `spikemill build` as before, with --home {home.path}, goes on with it."


def store_of(home: Home) -> Store | None:
    """Return the home's store; where the settings name a ledger, the store that they name, if they do."""
    if settings().database_url is None:
        return FolderStore(home.path)
    return open_store() if settings().store is not None else None


def pile_in_store(store: Store, pile: str) -> str:
    """Return the folder of a store that holds the pile of this address: its newest, or all of it.

    Raises `CallError` where there is none.
    """
    release = store.pile()
    folder = "" if release is None else pile_folder(release)
    if f"{folder}/{PROVENANCE}".lstrip("/") not in store.files(folder):
        raise CallError(f"{pile} holds no pile; name a store that has one, or one of the piles in it.")
    return folder


@contextmanager
def pile_here(pile: str) -> Iterator[Path]:
    """Give a pile's folder; one in an object store is downloaded for as long as the block lasts.

    Such a pile is named by its own address, or by that of its store for the newest. Raises `CallError` where
    there is none.
    """
    if is_object_address(pile):
        with _downloaded(store_at(pile), pile) as folder:
            yield folder
    else:
        yield Path(pile)


@contextmanager
def _downloaded(store: Store, pile: str) -> Iterator[Path]:
    release = pile_in_store(store, pile)
    prefix = f"{release}/" if release else ""
    sizes = store.files(prefix)
    with store.draft("pile") as folder:
        output().print(f"Reading {size(sum(sizes.values()))} from {store.place}/{prefix} into {folder}")
        for name in sizes:
            target = folder / name.removeprefix(prefix)
            target.parent.mkdir(parents=True, exist_ok=True)
            with store.local(name) as copy:
                copy.replace(target)
        yield folder


def decide(**values: str) -> None:
    """Set settings by their names (`database_url=...`), for this process and its children."""
    for name, value in values.items():
        os.environ[f"{_PREFIX}{name.upper()}"] = value
    settings.cache_clear()


@contextmanager
def decided_for_now() -> Iterator[None]:
    """Forget at the end of the block what was decided in it."""
    before = _current()
    try:
        yield
    finally:
        for name in _current():
            del os.environ[name]
        os.environ.update(before)
        settings.cache_clear()


def _current() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(_PREFIX)}


def use_ledger(address: str) -> None:
    """Let this process work with the ledger at an address."""
    decide(database_url=address)
