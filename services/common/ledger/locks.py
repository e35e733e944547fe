"""In which order rows are locked, which jobs an open build needs, and how jobs are taken from workers.

Releases are locked first, then sessions, then jobs, each by ascending number.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, column, func, select, table, text, update
from sqlalchemy.orm import Session as Transaction
from sqlalchemy.orm import aliased

from spikemill.services.common.models import Asset, Attempt, Job, JobState, Outcome, Session

_SWEEPER = text("SELECT pg_try_advisory_lock(hashtext('spikemill.sweeper'))")
_RELEASES = text("SELECT pg_advisory_xact_lock(hashtext('spikemill.releases'))")
BUILD_SESSIONS = table("build_sessions", column("build_id"), column("session_id"))
_NEEDED_JOBS = table("needed_jobs", column("job_id"), column("build_id"))
CLEARED_LEASE: dict[str, Any] = dict.fromkeys(
    ("lease_owner", "lease_worker", "supervisor_id", "lease_expires", "sent_at", "broker_epoch")
)
"""The columns that are empty where no worker holds a job and no message for it was sent."""
_NEVER_RUN: dict[str, Any] = dict.fromkeys(
    (
        *("first_failed_at", "celery_retry_until", "finished_at"),
        *("error", "error_class", "output", "skipped_because"),
    )
)


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


def lock_jobs(transaction: Transaction, jobs: ColumnElement[bool]) -> None:
    """Lock jobs, after their sessions."""
    transaction.execute(select(Job.id).where(jobs).order_by(Job.id).with_for_update()).all()


def jobs_of(sessions: Select[int] | Sequence[int]) -> ColumnElement[bool]:
    """Return the condition that a job belongs to one of the sessions: its fetches, its bin or its stream."""
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
    """Return the sessions that jobs belong to, each as often as it has such jobs."""
    session = func.coalesce(Job.session_id, Asset.session_id)
    return select(session).outerjoin(Asset, Asset.id == Job.asset_id).where(jobs, session.is_not(None))


def needed_by_open_build() -> ColumnElement[bool]:
    """Return the condition that some open build needs the job."""
    return select(_NEEDED_JOBS.c.job_id).where(_NEEDED_JOBS.c.job_id == Job.id).exists()


def set_jobs(transaction: Transaction, jobs: ColumnElement[bool], state: JobState, **columns: Any) -> None:
    """Lock jobs, take them from the workers that run them, and put them into a state."""
    lock_jobs(transaction, jobs)
    transaction.execute(
        update(Attempt)
        .where(Attempt.job_id == Job.id, Attempt.attempt == Job.attempt, Job.state == JobState.RUNNING, jobs)
        .values(ended_at=func.clock_timestamp(), outcome=Outcome.WITHDRAWN)
    )
    transaction.execute(update(Job).where(jobs).values(state=state, **CLEARED_LEASE, **columns))


def reset_jobs(transaction: Transaction, jobs: ColumnElement[bool], state: JobState) -> None:
    """Put jobs into a state as if they had never run; only their attempts are counted on."""
    fresh = {"failures": 0, "crashes": 0, "not_before": func.clock_timestamp(), **_NEVER_RUN}
    set_jobs(transaction, jobs, state, **fresh)
