"""The store that belongs to the ledger of a command."""

from services.cli.local.home import Home
from services.common.settings import settings
from services.common.storage import FolderStore, Store, open_store


def store_of(home: Home) -> Store | None:
    """Return the home's store; where the settings name a ledger, the store that they name, if they do."""
    if settings().database_url is None:
        return FolderStore(home.path)
    return open_store() if settings().store is not None else None
