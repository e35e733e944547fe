"""In which order rows are locked, so that no two transactions ever wait for each other.

First the releases as a whole, then sessions, then jobs, each by ascending number. Apart from all that stands
the lock that lets one sweeper work.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, Select, func, select, text
from sqlalchemy.orm import Session as Transaction

from services.common.models import Asset, Job, Session
from services.common.models.work import JobKind

_RELEASES = text("SELECT pg_advisory_xact_lock(hashtext('spikemill.releases'))")
_SWEEPER = text("SELECT pg_try_advisory_lock(hashtext('spikemill.sweeper'))")


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


def lock_sessions_of_jobs(transaction: Transaction, jobs: Sequence[int]) -> None:
    """Lock the sessions that the jobs are about."""
    lock_sessions(
        transaction,
        select(func.coalesce(Job.session_id, Asset.session_id))
        .outerjoin(Asset, Asset.id == Job.asset_id)
        .where(Job.id.in_(jobs)),
    )


def lock_before_job(transaction: Transaction, kind: JobKind, subject: int) -> None:
    """Lock what the end of a job may change beside the job itself."""
    if kind is JobKind.BIN:
        lock_sessions(transaction, [subject])
    elif kind is JobKind.FETCH:
        lock_sessions(transaction, select(Asset.session_id).where(Asset.id == subject))
    elif kind in {JobKind.FREEZE, JobKind.ASSEMBLE}:
        lock_releases(transaction)
