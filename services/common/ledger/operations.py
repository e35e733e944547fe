"""What a person may do to the ledger: retry what is dead, cancel builds, prune chunks."""

from collections.abc import Sequence

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session as Transaction

from services.common.ledger.attempts import hand_back, start_again
from services.common.ledger.locks import lock_releases, lock_sessions, sessions_of
from services.common.ledger.restarting import restart_session
from services.common.ledger.wanted import BUILD_SESSIONS, is_wanted
from services.common.models import Build, Job, Release, Session, Shard, SourceVersion
from services.common.models.builds import BuildState, ReleaseState
from services.common.models.work import JobKind, JobState, Outcome


def retry_dead(transaction: Transaction, sources: Sequence[str] = ()) -> int:
    """Send dead jobs, and the sessions they belong to, back to the queue; return how many sessions and jobs.

    Without names all sources are meant. Counts of failures and crashes start again; attempts do not.
    """
    lock_releases(transaction)
    sessions = transaction.scalars(_sessions_with_dead_jobs(sources)).all()
    lock_sessions(transaction, sessions)
    for session_id in sessions:
        restart_session(transaction, session_id)
    jobs = transaction.scalars(_other_dead_jobs(sources)).all()
    start_again(transaction, Job.id.in_(jobs), JobState.READY)
    return len(sessions) + len(jobs)


def _other_dead_jobs(sources: Sequence[str]) -> Select[int]:
    """Return dead plans, and without names also what failed of releases that still count."""
    dead = select(Job.id).where(Job.state == JobState.DEAD).order_by(Job.id).with_for_update()
    if sources:
        named = select(SourceVersion.id).where(SourceVersion.name.in_(sources))
        return dead.where(Job.source_version_id.in_(named))
    counting = select(Release.id).where(Release.state != ReleaseState.OUTDATED)
    shards = select(Shard.id).where(Shard.release_id.in_(counting))
    return dead.where((Job.kind == JobKind.PLAN) | Job.release_id.in_(counting) | Job.shard_id.in_(shards))


def _sessions_with_dead_jobs(sources: Sequence[str]) -> Select[int]:
    dead = (
        select(Session.id).where(Session.id.in_(sessions_of(Job.state == JobState.DEAD))).order_by(Session.id)
    )
    if sources:
        named = select(SourceVersion.id).where(SourceVersion.name.in_(sources))
        dead = dead.where(Session.source_version_id.in_(named))
    return dead


def cancel_builds(transaction: Transaction) -> int:
    """Stop the open builds of all piles; return how many. What is done stays done."""
    lock_releases(transaction)
    cancelled = transaction.scalars(
        update(Build)
        .where(Build.state == BuildState.OPEN)
        .values(state=BuildState.CANCELLED)
        .returning(Build.id)
    ).all()
    transaction.flush()
    _withdraw_unwanted(transaction)
    return len(cancelled)


def _withdraw_unwanted(transaction: Transaction) -> None:
    """Take running jobs from their workers where nobody waits for them any more."""
    unwanted = transaction.scalars(
        select(Job).where(Job.state == JobState.RUNNING, ~is_wanted()).order_by(Job.id).with_for_update()
    ).all()
    for job in unwanted:
        hand_back(transaction, job, Outcome.WITHDRAWN)


def prune_chunks(transaction: Transaction) -> list[str]:
    """Forget the chunks that no open build needs, and return their names; a later build makes them again."""
    lock_releases(transaction)
    needed = (
        select(BUILD_SESSIONS.c.session_id)
        .join(Build, Build.id == BUILD_SESSIONS.c.build_id)
        .where(BUILD_SESSIONS.c.session_id == Session.id, Build.state == BuildState.OPEN)
        .exists()
    )
    spare = transaction.scalars(
        select(Session).where(Session.chunk.is_not(None), ~needed).order_by(Session.id).with_for_update()
    ).all()
    names = [session.chunk for session in spare if session.chunk is not None]
    for session in spare:
        restart_session(transaction, session.id)
        session.chunk = None
    return names
