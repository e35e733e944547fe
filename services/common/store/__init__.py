"""The store of the settings, which holds chunks and piles; only `publish` adds to it."""

import os
from functools import lru_cache
from pathlib import Path

from spikemill.services.common.errors import CallError
from spikemill.services.common.settings import settings
from spikemill.services.common.store.base import (
    SCHEME,
    Store,
    UnreadableFileError,
    is_object_address,
    parse_address,
)
from spikemill.services.common.store.folder import FolderStore
from spikemill.services.common.store.scratch import Scratch, scratch_for

__all__ = [
    "FolderStore",
    "Scratch",
    "Store",
    "UnreadableFileError",
    "is_object_address",
    "open_store",
    "scratch_for",
    "store_at",
]


def open_store() -> Store:
    """Return the store of this process's settings.

    Raises `CallError` where they name none, or none that can be.
    """
    place = settings().store
    if place is None:
        raise CallError(
            "There is no store: set SPIKEMILL_STORE to a folder that all workers share, or to s3://bucket/prefix."
        )
    return store_at(place)


def store_at(place: str) -> Store:
    """Return the store of an address: a folder, or `s3://bucket/prefix`."""
    if is_object_address(place):
        return _object_store(os.getpid(), place, settings().store_endpoint)
    if "://" in place:
        raise CallError(f"{place.partition('://')[0]}://...: a store is a folder, or {SCHEME}bucket/prefix.")
    return FolderStore(Path(place))


def close_store() -> None:
    """Close what this process holds open, as before it forks."""
    _object_store.cache_clear()


@lru_cache(maxsize=4)
def _object_store(process: int, place: str, endpoint: str | None) -> Store:
    """Connect for one process: connections do not survive a fork."""
    del process
    # Only an object store needs the client, which takes a quarter of a second to load.
    from spikemill.services.common.store.s3 import connect_store  # noqa: PLC0415

    return connect_store(parse_address(place, endpoint))
