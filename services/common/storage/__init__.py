"""The store, where chunks and piles stand: one way in, `publish`, and nothing above it knows a rename."""

from services.common.storage.address import is_object_address
from services.common.storage.base import Store, UnreadableFileError
from services.common.storage.folder import FolderStore
from services.common.storage.opening import open_store, store_at
from services.common.storage.publishing import store_errors
from services.common.storage.scratch import Scratch, scratch_for

__all__ = [
    "FolderStore",
    "Scratch",
    "Store",
    "UnreadableFileError",
    "is_object_address",
    "open_store",
    "scratch_for",
    "store_at",
    "store_errors",
]
