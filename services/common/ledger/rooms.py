"""Room in the spool: a session gets it with all its assets at once, and gives it back whole."""

from collections.abc import Mapping, Sequence

from sqlalchemy import BigInteger, Select, case, cast, func, select, text, update
from sqlalchemy.orm import Session as Transaction

from services.common.ledger.attempts import UNHELD, withdraw_attempts
from services.common.ledger.locks import jobs_of, lock_jobs, lock_sessions, sessions_of
from services.common.ledger.wanted import is_session_wanted
from services.common.models import Asset, Job, Session, SourceVersion
from services.common.models.work import JobKind, JobState

_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtext('spikemill.admission'))")
# More than workers fetch in the time of a round; the next round goes on.
_BATCH = 200


def admit_sessions(transaction: Transaction, *, capacity: int) -> int:
    """Reserve room for waiting sessions, first in, first out; return how many were admitted.

    Where no room is taken the first session gets it, however large it is: a limit that is too small makes a
    build slow, never stuck.
    """
    transaction.execute(_ONE_AT_A_TIME)
    reserved = transaction.scalar(select(func.coalesce(func.sum(Session.reserved_bytes), 0))) or 0
    if reserved >= capacity and reserved:
        return 0
    fitting = []
    for session_id, size in transaction.execute(_waiting()):
        if reserved and reserved + size > capacity:
            break
        fitting.append(session_id)
        reserved += size
    lock_sessions(transaction, fitting)
    # Looked at again once they are locked: a person may just have waived one.
    sizes = dict(transaction.execute(_waiting().where(Session.id.in_(fitting))).all())
    if sizes:
        _admit(transaction, sizes)
    return len(sizes)


def _waiting() -> Select[int, int]:
    """Return (session, bytes to fetch) of the first that wait for room, in their order."""
    size = select(func.sum(Asset.size)).where(Asset.session_id == Session.id).scalar_subquery()
    # A folder's own files are read where they lie, so they take no room.
    room = case((SourceVersion.archive == "files", 0), else_=size)
    stuck = (
        select(Job.id)
        .join(Asset, Asset.id == Job.asset_id)
        .where(Asset.session_id == Session.id, Job.state.in_([JobState.DEAD, JobState.WAIVED]))
        .exists()
    )
    return (
        select(Session.id, cast(room, BigInteger))
        .join(Job, Job.session_id == Session.id)
        .join(SourceVersion, SourceVersion.id == Session.source_version_id)
        .where(Job.kind == JobKind.BIN, Job.state == JobState.BLOCKED, Session.admitted_at.is_(None))
        .where(~stuck, is_session_wanted())
        .order_by(Session.id)
        .limit(_BATCH)
    )


def _admit(transaction: Transaction, sizes: Mapping[int, int]) -> None:
    """Give locked sessions their room, and let their assets be fetched."""
    transaction.execute(
        update(Session)
        .where(Session.id.in_(sizes))
        .values(
            admitted_at=func.clock_timestamp(),
            reserved_bytes=case(sizes, value=Session.id, else_=0),
        )
    )
    assets = select(Asset.id).where(Asset.session_id.in_(sizes))
    transaction.execute(
        update(Job)
        .where(Job.state == JobState.BLOCKED, Job.asset_id.in_(assets))
        .values(
            state=JobState.READY,
            sent_at=None,
            not_before=func.greatest(Job.not_before, func.clock_timestamp()),
        )
    )


def _assets_of(session_id: int) -> Select[int]:
    return select(Asset.id).where(Asset.session_id == session_id)


def close_session_of(transaction: Transaction, job: Job) -> None:
    """Give back the room of the session that a job is about, if it is about one."""
    session_id = transaction.scalar(sessions_of(Job.id == job.id))
    if session_id is not None:
        give_back_room(transaction, session_id)


def give_back_room(transaction: Transaction, session_id: int) -> None:
    """Free a locked session's room; copies that are under way are withdrawn, and its files may be swept."""
    let_in = Job.asset_id.in_(_assets_of(session_id)) & Job.state.in_([JobState.READY, JobState.RUNNING])
    lock_jobs(transaction, let_in)
    withdraw_attempts(transaction, let_in)
    transaction.execute(update(Job).where(let_in).values(state=JobState.BLOCKED, **UNHELD))
    free_rooms(transaction, [session_id])


def free_rooms(transaction: Transaction, sessions: Select[int] | Sequence[int]) -> None:
    """Free the room of locked sessions that nothing is copied for."""
    transaction.execute(update(Asset).where(Asset.session_id.in_(sessions)).values(local_path=None))
    transaction.execute(
        update(Session).where(Session.id.in_(sessions)).values(admitted_at=None, reserved_bytes=0)
    )


def lock_idle_session(transaction: Transaction, identity: str) -> bool:
    """Lock the session, and tell whether it holds no room and nothing works on it."""
    transaction.execute(_ONE_AT_A_TIME)
    session_id = transaction.scalar(
        select(Session.id)
        .where(Session.identity == identity, Session.admitted_at.is_(None))
        .with_for_update()
    )
    if session_id is None:
        return False
    running = select(Job.id).where(jobs_of([session_id]), Job.state == JobState.RUNNING).exists()
    return not transaction.scalar(select(running))
