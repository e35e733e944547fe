"""A session back at its beginning: its copies are fetched again when it has room."""

from collections.abc import Sequence

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session as Transaction
from sqlalchemy.orm import aliased

from services.common.ledger.attempts import let_go, withdraw_attempt
from services.common.ledger.locks import lock_releases, lock_sessions
from services.common.ledger.releases import outdate_releases_of
from services.common.ledger.rooms import give_back_room
from services.common.ledger.wanted import is_wanted
from services.common.models import Asset, Job, Session
from services.common.models.work import JobState


def restart_session(transaction: Transaction, session_id: int) -> None:
    """Put a session back to its beginning: its copies are fetched again when it has room."""
    lock_releases(transaction)
    lock_sessions(transaction, [session_id])
    give_back_room(transaction, session_id)
    for job in jobs_of_session(transaction, session_id):
        withdraw_attempt(transaction, job)
        start_again(job, JobState.BLOCKED)
    transaction.flush()
    outdate_releases_of(transaction, session_id)


def jobs_of_session(transaction: Transaction, session_id: int) -> Sequence[Job]:
    """Lock and return the jobs of a session: its fetches and its bin."""
    assets = select(Asset.id).where(Asset.session_id == session_id)
    return transaction.scalars(
        select(Job)
        .where((Job.session_id == session_id) | Job.asset_id.in_(assets))
        .order_by(Job.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()


def start_again(job: Job, state: JobState) -> None:
    """Put a job into a state as if it had never run; only its attempts go on counting."""
    let_go(job, state)
    job.failures = job.crashes = 0
    job.first_failed_at = job.retry_until = job.finished_at = None
    job.error = job.error_class = job.output = job.waived_because = None
    job.not_before = func.clock_timestamp()


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
