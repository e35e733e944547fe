"""Removes what the ledger no longer names: old drafts, spare chunks, folders of abandoned releases."""

import re
import shutil
from pathlib import PurePosixPath

from spikemill.services.common.database import transaction
from spikemill.services.common.ledger import admin, repair
from spikemill.services.common.store import Store, open_store
from spikemill.services.common.store.spool import sweep_spool
from spikemill.services.common.types import FILE_NAME_DIGITS

_DRAFT = re.compile(r"(?P<job>\d+)\.(?P<attempt>\d+)\.")
# A file that is still being written has a dot before its name and a random ending.
_CHUNK = re.compile(rf"\.?(?P<identity>[0-9a-f]{{{FILE_NAME_DIGITS}}})\.[0-9a-f]+\.parquet")


def clean_up() -> float:
    """Sweep the spool and the store; safe at any time, beside any work.

    Returns the seconds until it should run again: it costs an object store many requests.
    """
    sweep_spool()
    store = open_store()
    sweep_drafts(store)
    sweep_chunks(store)
    sweep_releases(store)
    return store.sweep_seconds


def drop_spare_chunks(store: Store) -> tuple[int, int]:
    """Remove the chunks that no open build needs; returns how many there were, and their bytes."""
    with transaction() as ledger:
        store.assert_owner(repair.ledger_id(ledger))
        names = admin.prune_chunks(ledger)
        sizes = store.files("chunks")
        freed = sum(sizes.get(name, 0) for name in names)
    sweep_chunks(store)
    return len(names), freed


def sweep_drafts(store: Store) -> None:
    """Remove drafts (`<job>.<attempt>.<random>`) whose attempt is over."""
    for folder in store.drafts():
        owner = _DRAFT.match(folder.name)
        if owner is None:
            continue
        with transaction() as ledger:
            if repair.is_abandoned_draft(ledger, int(owner["job"]), int(owner["attempt"])):
                shutil.rmtree(folder, ignore_errors=True)


def sweep_chunks(store: Store) -> None:
    """Remove chunks that no session names, and partial ones of killed workers."""
    with transaction() as ledger:
        named = repair.chunk_names(ledger)
    for name in sorted(store.files("chunks")):
        chunk = _CHUNK.match(PurePosixPath(name).name)
        if chunk is None or name in named:
            continue
        with transaction() as ledger:
            if repair.is_spare_chunk(ledger, name, chunk["identity"]):
                store.remove(name)


def sweep_releases(store: Store) -> None:
    """Remove folders of releases that the ledger does not name, but never the one that `pile` leads to."""
    for release in store.folders("piles"):
        with transaction() as ledger:
            if repair.is_spare_release(ledger, release) and store.pile() != release:
                store.remove_folder(f"piles/{release}")
