"""The spool of this process's settings."""

from services.common.errors import CallError
from services.common.settings import settings
from services.common.spool.base import Spool
from services.common.spool.shared_folder import SharedFolder
from services.common.spool.through_store import ThroughStore
from services.common.storage import is_object_address, open_store, scratch_for


def open_spool() -> Spool:
    """Return the spool of the settings; raises `CallError` where they name none."""
    spool = find_spool()
    if spool is None:
        raise CallError("There is no spool: set SPIKEMILL_SPOOL to a folder that all workers share.")
    return spool


def find_spool() -> Spool | None:
    """Return the spool, if there is one: a part of an object store, else the folder that is named."""
    if is_object_address(settings().store or ""):
        store = open_store()
        return ThroughStore(store, scratch_for(store.place))
    folder = settings().spool
    return None if folder is None else SharedFolder(folder)
