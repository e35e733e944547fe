"""In which order rows are locked, and which jobs an open build needs."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, Select, column, func, select, table, text
from sqlalchemy.orm import Session as Transaction
from sqlalchemy.orm import aliased

from spikemill.services.common.models import (
    COUNTING,
    Asset,
    Build,
    BuildState,
    Job,
    JobKind,
    Release,
    ReleaseState,
    Session,
)

_RELEASES = text("SELECT pg_advisory_xact_lock(hashtext('spikemill.releases'))")
_NAMES = text("SELECT pg_advisory_xact_lock(hashtext('spikemill.names:' || :source))")
_SWEEPER = text("SELECT pg_try_advisory_lock(hashtext('spikemill.sweeper'))")
BUILD_SESSIONS = table("build_sessions", column("build_id"), column("session_id"))
NEEDED_JOBS = table("needed_jobs", column("job_id"), column("build_id"))


def take_sweeper_lock(connection: Connection) -> bool:
    """Take the lock that only one sweeper can have, until the connection ends; False where another has it."""
    return bool(connection.scalar(_SWEEPER))


def lock_releases(transaction: Transaction) -> None:
    """Let nobody else open a gate, freeze, publish, outdate or reopen until this transaction ends."""
    transaction.execute(_RELEASES)


def lock_sessions(transaction: Transaction, sessions: Select[int] | Sequence[int]) -> None:
    """Lock sessions, before any of their jobs."""
    transaction.scalars(
        select(Session.id).where(Session.id.in_(sessions)).order_by(Session.id).with_for_update()
    ).all()


def jobs_of(sessions: Select[int] | Sequence[int]) -> ColumnElement[bool]:
    """Return the condition that a job is about one of the sessions: its fetches, its bin or its stream."""
    counting, fetching = aliased(Job), aliased(Job)
    return Job.id.in_(
        select(counting.id)
        .where(counting.session_id.in_(sessions))
        .union_all(
            select(fetching.id)
            .join(Asset, Asset.id == fetching.asset_id)
            .where(Asset.session_id.in_(sessions))
        )
    )


def sessions_of(jobs: ColumnElement[bool]) -> Select[int]:
    """Return the sessions that jobs are about, each as often as it has such jobs."""
    session = func.coalesce(Job.session_id, Asset.session_id)
    return select(session).outerjoin(Asset, Asset.id == Job.asset_id).where(jobs, session.is_not(None))


def lock_jobs(transaction: Transaction, jobs: ColumnElement[bool]) -> None:
    """Lock jobs, after the sessions that they are about."""
    transaction.execute(select(Job.id).where(jobs).order_by(Job.id).with_for_update()).all()


def lock_names(transaction: Transaction, source_version_id: int) -> None:
    """Let nobody else give a session of this source its names until this transaction ends."""
    transaction.execute(_NAMES, {"source": str(source_version_id)})


def lock_sessions_of_jobs(transaction: Transaction, jobs: Sequence[int]) -> None:
    """Lock the sessions that the jobs are about."""
    lock_sessions(transaction, sessions_of(Job.id.in_(jobs)))


def lock_before_job(transaction: Transaction, kind: JobKind, subject: int) -> None:
    """Lock what the end of a job may change beside the job itself."""
    if kind in COUNTING:
        lock_sessions(transaction, [subject])
    elif kind is JobKind.FETCH:
        lock_sessions(transaction, select(Asset.session_id).where(Asset.id == subject))
    elif kind in {JobKind.FREEZE, JobKind.ASSEMBLE, JobKind.PUBLISH}:
        lock_releases(transaction)


def needed_by_open_build() -> ColumnElement[bool]:
    """Return the condition that some open build needs the job."""
    return select(NEEDED_JOBS.c.job_id).where(NEEDED_JOBS.c.job_id == Job.id).exists()


def session_needed_by_open_build() -> ColumnElement[bool]:
    """Return the condition that some open build still needs the session: quick also for many sessions."""
    return (
        select(BUILD_SESSIONS.c.session_id)
        .join(Release, Release.build_id == BUILD_SESSIONS.c.build_id)
        .join(Build, Build.id == Release.build_id)
        .where(BUILD_SESSIONS.c.session_id == Session.id)
        .where(Build.state == BuildState.OPEN, Release.state == ReleaseState.WAITING)
        .correlate(Session)
        .exists()
    )
