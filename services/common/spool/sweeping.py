"""What goes from the spool: copies of sessions that hold no room there."""

from services.common.database import transaction
from services.common.ledger import rooms
from services.common.spool.opening import find_spool, open_spool


def drop_copies(identity: str) -> None:
    """Remove a session's copies, if it holds no room any more; what is gone already is no error."""
    # The session stays locked, so that it cannot be admitted while its old files go.
    with transaction() as ledger:
        if rooms.lock_idle_session(ledger, identity):
            open_spool().remove(identity)


def sweep_spool() -> None:
    """Remove copies of sessions that hold no room: they are done, dead, waived, or start again."""
    spool = find_spool()
    for identity in () if spool is None else spool.sessions():
        drop_copies(identity)


def sweep_arrivals() -> None:
    """Remove what only this machine can: the sweeper may run on another one."""
    for identity in open_spool().arriving():
        drop_copies(identity)
