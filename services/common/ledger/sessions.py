"""How a session reaches its chunk: streamed or copied, and its quota in the spool."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Select, case, cast, delete, func, literal, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session as Transaction
from sqlalchemy.orm import aliased

from spikemill.services.common.ledger.locks import (
    BUILD_SESSIONS,
    jobs_of,
    lock_jobs,
    lock_releases,
    lock_sessions,
    needed_by_open_build,
    reset_jobs,
    sessions_of,
    set_jobs,
)
from spikemill.services.common.ledger.releases import outdate_releases_of
from spikemill.services.common.models import (
    Asset,
    Build,
    BuildState,
    Job,
    JobDependency,
    JobKind,
    JobState,
    Release,
    ReleaseState,
    Session,
    SourceVersion,
)

_FETCH_MODES: Mapping[str, Sequence[JobKind]] = {
    "copy": [JobKind.BIN],
    "stream": [JobKind.STREAM],
    "stream-or-copy": [JobKind.STREAM, JobKind.BIN],
}
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtext('spikemill.admission'))")
# More than workers fetch in the time of a round; the next round goes on.
_BATCH = 200


def fetch_modes_of(config: Mapping[str, Any]) -> Sequence[JobKind]:
    """Return the kinds of job that may count the sessions of a source, the first choice first."""
    return _FETCH_MODES[config.get("fetch", "copy")]


def restart_session(transaction: Transaction, session_id: int) -> None:
    """Start a session again with the kind of job that it has, unless its source now allows only the other."""
    lock_releases(transaction)
    lock_sessions(transaction, [session_id])
    config, current = transaction.execute(
        select(SourceVersion.config, Job.kind)
        .join(Session, Session.source_version_id == SourceVersion.id)
        .join(Job, Job.session_id == Session.id)
        .where(Session.id == session_id)
    ).one()
    kinds = fetch_modes_of(config)
    reset_sessions(transaction, [session_id], current if current in kinds else kinds[0])
    outdate_releases_of(transaction, [session_id])


def reset_sessions(transaction: Transaction, sessions: Select[int] | Sequence[int], kind: JobKind) -> None:
    """Start locked sessions again, with a bin or a stream; what runs for them is taken from its workers."""
    reset_jobs(transaction, jobs_of(sessions), JobState.BLOCKED)
    release_reservations(transaction, sessions)
    counting = Job.session_id.in_(sessions)
    transaction.execute(update(Job).where(counting).values(kind=kind))
    if kind is JobKind.BIN:
        _fetch_first(transaction, sessions)
    else:
        needs = JobDependency.job_id.in_(select(Job.id).where(counting))
        transaction.execute(delete(JobDependency).where(needs))


def _fetch_first(transaction: Transaction, sessions: Select[int] | Sequence[int]) -> None:
    """Have the assets fetched before their session is binned."""
    assets = select(
        literal(JobKind.FETCH, Job.kind.type), literal(JobState.BLOCKED, Job.state.type), Asset.id
    ).where(Asset.session_id.in_(sessions))
    transaction.execute(
        upsert(Job)
        .from_select(["kind", "state", "asset_id"], assets.order_by(Asset.id))
        .on_conflict_do_nothing(index_elements=["asset_id"])
    )
    counting, fetching = aliased(Job), aliased(Job)
    needs = (
        select(counting.id, fetching.id)
        .join(Asset, Asset.session_id == counting.session_id)
        .join(fetching, fetching.asset_id == Asset.id)
        .where(counting.session_id.in_(sessions))
    )
    transaction.execute(
        upsert(JobDependency).from_select(["job_id", "needs_id"], needs).on_conflict_do_nothing()
    )


def fall_back_to_copy(transaction: Transaction, job: Job) -> bool:
    """Have the session of a locked stream copied instead; False where its source does not allow it."""
    if job.kind is not JobKind.STREAM or job.session_id is None:
        return False
    config = select(SourceVersion.config).join(SourceVersion.sessions).where(Session.id == job.session_id)
    if JobKind.BIN not in fetch_modes_of(transaction.scalars(config).one()):
        return False
    reset_sessions(transaction, [job.session_id], JobKind.BIN)
    return True


def apply_fetch_mode(transaction: Transaction, source_version_id: int, config: Mapping[str, Any]) -> None:
    """Count the sessions of a source as its changed `fetch` says.

    What waits to be counted another way starts again, and so does what failed: that may be why `fetch` was
    changed. What runs ends as it is; what is done or skipped stays so. The caller locked releases and source.
    """
    kind = fetch_modes_of(config)[0]
    unfinished = (
        select(Session.id)
        .join(Job, Job.session_id == Session.id)
        .where(Session.source_version_id == source_version_id)
        .where(Job.state.not_in([JobState.DONE, JobState.SKIPPED]))
    )
    lock_sessions(transaction, unfinished)
    lock_jobs(transaction, jobs_of(unfinished))
    runs = Session.id.in_(sessions_of(Job.state == JobState.RUNNING))
    failed = Session.id.in_(sessions_of(Job.state == JobState.DEAD))
    moved = transaction.scalars(unfinished.where(~runs, (Job.kind != kind) | failed)).all()
    sessions = select(func.unnest(literal(moved, ARRAY(BigInteger))))
    reset_sessions(transaction, sessions, kind)
    outdate_releases_of(transaction, sessions)


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
    # Checked again once they are locked: a person may just have skipped one.
    sizes = dict(transaction.execute(_waiting().where(Session.id.in_(fitting))).all())
    if not sizes:
        return 0
    transaction.execute(
        update(Session)
        .where(Session.id.in_(sizes))
        .values(admitted_at=func.clock_timestamp(), reserved_bytes=case(sizes, value=Session.id, else_=0))
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
    return len(sizes)


def _waiting() -> Select[int, int]:
    """Return (session, bytes to fetch) of the first that wait for room, in their order."""
    size = select(func.sum(Asset.size)).where(Asset.session_id == Session.id).scalar_subquery()
    # A folder's own files are read where they lie, so they take no room.
    room = case((SourceVersion.archive == "files", 0), else_=size)
    stuck = (
        select(Job.id)
        .join(Asset, Asset.id == Job.asset_id)
        .where(Asset.session_id == Session.id, Job.state.in_([JobState.DEAD, JobState.SKIPPED]))
        .exists()
    )
    # Quick for many sessions, which the view of needed jobs is not.
    needed = (
        select(BUILD_SESSIONS.c.session_id)
        .join(Release, Release.build_id == BUILD_SESSIONS.c.build_id)
        .join(Build, Build.id == Release.build_id)
        .where(BUILD_SESSIONS.c.session_id == Session.id)
        .where(Build.state == BuildState.OPEN, Release.state == ReleaseState.WAITING)
        .correlate(Session)
        .exists()
    )
    return (
        select(Session.id, cast(room, BigInteger))
        .join(Job, Job.session_id == Session.id)
        .join(SourceVersion, SourceVersion.id == Session.source_version_id)
        .where(Job.kind == JobKind.BIN, Job.state == JobState.BLOCKED, Session.admitted_at.is_(None))
        .where(~stuck, needed)
        .order_by(Session.id)
        .limit(_BATCH)
    )


def release_reservation_of(transaction: Transaction, job: Job) -> None:
    """Free the room of the session of a locked job, if it has one; no more is copied for that session."""
    session_id = transaction.scalar(sessions_of(Job.id == job.id))
    if session_id is None:
        return
    assets = select(Asset.id).where(Asset.session_id == session_id)
    admitted = Job.asset_id.in_(assets) & Job.state.in_([JobState.READY, JobState.RUNNING])
    set_jobs(transaction, admitted, JobState.BLOCKED)
    release_reservations(transaction, [session_id])


def release_reservations(transaction: Transaction, sessions: Select[int] | Sequence[int]) -> None:
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


def reclaim_reservations(transaction: Transaction) -> int:
    """Restart sessions that hold room in the spool and that no open build needs; return how many.

    Else what a superseded build left in the spool could keep its successor out for ever.
    """
    if not transaction.scalars(_idle_reservations()).all():
        return 0
    lock_releases(transaction)
    idle = transaction.scalars(_idle_reservations()).all()
    for session_id in idle:
        restart_session(transaction, session_id)
    return len(idle)


def _idle_reservations() -> Select[int]:
    """Return the sessions that hold room, that no open build needs, and that no worker has."""
    runs = Session.id.in_(sessions_of(Job.state == JobState.RUNNING))
    return (
        select(Session.id)
        .join(Job, Job.session_id == Session.id)
        .where(Session.admitted_at.is_not(None), ~needed_by_open_build(), ~runs)
        .order_by(Session.id)
    )
