"""A session back at its beginning: it is copied again when it has room, or streamed again."""

from sqlalchemy import Select, select
from sqlalchemy.orm import Session as Transaction
from sqlalchemy.orm import aliased

from services.common.ledger import ways
from services.common.ledger.locks import lock_releases, lock_sessions
from services.common.ledger.releases import outdate_releases_of
from services.common.ledger.wanted import is_wanted
from services.common.models import Asset, Job, Session
from services.common.models.work import JobState


def restart_session(transaction: Transaction, session_id: int) -> None:
    """Put a session back to its beginning, on the way that its source names."""
    lock_releases(transaction)
    lock_sessions(transaction, [session_id])
    ways.begin(transaction, [session_id], ways.way_of(transaction, session_id))
    outdate_releases_of(transaction, [session_id])


def reclaim_rooms(transaction: Transaction) -> int:
    """Put back sessions that hold room in the spool and that nobody waits for any more; return how many.

    Else what a superseded build left in the spool could keep its successor out for ever.
    """
    if not transaction.scalars(_idle_rooms()).all():
        return 0
    lock_releases(transaction)
    idle = transaction.scalars(_idle_rooms()).all()
    for session_id in idle:
        restart_session(transaction, session_id)
    return len(idle)


def _idle_rooms() -> Select[int]:
    """Return the sessions that hold room, that no open build needs, and that nobody works on."""
    works = aliased(Job)
    assets = select(Asset.id).where(Asset.session_id == Session.id)
    running = (
        select(works.id)
        .where(works.state == JobState.RUNNING)
        .where((works.session_id == Session.id) | works.asset_id.in_(assets))
        .exists()
    )
    return (
        select(Session.id)
        .join(Job, Job.session_id == Session.id)
        .where(Session.admitted_at.is_not(None), ~is_wanted(), ~running)
        .order_by(Session.id)
    )
