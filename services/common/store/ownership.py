"""Before a service starts: the store can be reached, and belongs to this ledger."""

import logging

from spikemill.services.common.database import is_connection_lost, transaction
from spikemill.services.common.errors import StoreAwayError, readable
from spikemill.services.common.ledger import repair
from spikemill.services.common.settings import settings
from spikemill.services.common.store import open_store

_log = logging.getLogger(__name__)


def own_store() -> None:
    """Mark the store of the settings as the ledger's; raises `StoreError` when it is another's."""
    with transaction() as ledger:
        name = repair.ledger_id(ledger)
    open_store().assert_owner(name)


def require_store() -> None:
    """Raise `StoreError` or `CallError` where no job could ever publish anything in the store.

    An unreachable ledger or store is only logged: the jobs wait for it.
    """
    if settings().store is None:
        return
    try:
        own_store()
    except Exception as error:
        if not (isinstance(error, StoreAwayError) or is_connection_lost(error)):
            raise
        _log.warning("the store was not checked: %s", readable(error))
