"""What a person may do to the ledger: retry, skip a session, cancel builds, prune chunks."""

from collections.abc import Sequence

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session as Transaction

from spikemill.services.common.errors import CallError
from spikemill.services.common.ledger.locks import (
    BUILD_SESSIONS,
    jobs_of,
    lock_releases,
    lock_sessions,
    needed_by_open_build,
    reset_jobs,
    sessions_of,
    set_jobs,
)
from spikemill.services.common.ledger.releases import outdate_releases_of
from spikemill.services.common.ledger.sessions import release_reservations, restart_session
from spikemill.services.common.models import (
    Build,
    BuildState,
    Job,
    JobKind,
    JobState,
    Release,
    ReleaseState,
    Session,
    Shard,
    SourceVersion,
)


def retry_dead(transaction: Transaction, sources: Sequence[str] = ()) -> int:
    """Send dead jobs, and the sessions they belong to, back to the queue; return how many sessions and jobs.

    Without names that is all sources, and what failed of releases that are not outdated. Counts of failures
    and crashes start again; attempts do not.
    """
    dead = Job.state == JobState.DEAD
    sessions = select(Session.id).where(Session.id.in_(sessions_of(dead))).order_by(Session.id)
    jobs = select(Job.id).where(dead).order_by(Job.id).with_for_update()
    if sources:
        named = select(SourceVersion.id).where(SourceVersion.name.in_(sources))
        sessions = sessions.where(Session.source_version_id.in_(named))
        jobs = jobs.where(Job.source_version_id.in_(named))
    else:
        releases = select(Release.id).where(Release.state != ReleaseState.OUTDATED)
        shards = select(Shard.id).where(Shard.release_id.in_(releases))
        jobs = jobs.where(
            (Job.kind == JobKind.PLAN) | Job.release_id.in_(releases) | Job.shard_id.in_(shards)
        )
    lock_releases(transaction)
    dead_sessions = transaction.scalars(sessions).all()
    lock_sessions(transaction, dead_sessions)
    for session_id in dead_sessions:
        restart_session(transaction, session_id)
    dead_jobs = transaction.scalars(jobs).all()
    reset_jobs(transaction, Job.id.in_(dead_jobs), JobState.READY)
    return len(dead_sessions) + len(dead_jobs)


def cancel_builds(transaction: Transaction) -> int:
    """Stop the open builds of all piles; return how many. What is done stays done."""
    lock_releases(transaction)
    cancelled = transaction.scalars(
        update(Build)
        .where(Build.state == BuildState.OPEN)
        .values(state=BuildState.CANCELLED)
        .returning(Build.id)
    ).all()
    unneeded = transaction.scalars(
        select(Job.id)
        .where(Job.state == JobState.RUNNING, ~needed_by_open_build())
        .order_by(Job.id)
        .with_for_update()
    ).all()
    set_jobs(transaction, Job.id.in_(unneeded), JobState.READY)
    return len(cancelled)


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


def skip(transaction: Transaction, name: str, reason: str) -> None:
    """Let builds go on without a session, named as in the ledger (`source/subject/session`, or its end).

    An open build is meant before one that is released. Raises CallError when the name fits none, or more than
    one, or the session is done.
    """
    full_name = func.concat_ws("/", SourceVersion.name, Session.subject_id, Session.session_id)
    is_called = (full_name == name) | full_name.endswith(f"/{name}", autoescape=True) | (Session.key == name)
    called = _sessions_of_builds().where(is_called).distinct()
    found = (
        transaction.scalars(called.where(Build.state == BuildState.OPEN)).all()
        or transaction.scalars(called.where(Build.state == BuildState.RELEASED)).all()
    )
    if len(found) != 1:
        problem = "No session is" if not found else f"{len(found)} sessions are"
        raise CallError(
            f"{problem} called {name}; give source/subject/session as `spikemill status` prints it."
        )
    _skip(transaction, found[0], reason)


def skip_listed(transaction: Transaction, build_id: int, source: str, key: str, reason: str) -> None:
    """Skip the session of a build that its listing knows by this key; one that is not listed is no error."""
    with_key = _sessions_of_builds().where(Build.id == build_id, SourceVersion.name == source)
    listed = transaction.scalars(with_key.where(Session.key == key)).one_or_none()
    if listed is not None:
        _skip(transaction, listed, reason)


def _sessions_of_builds() -> Select[Session]:
    """Return the sessions with their sources and each build that they are part of."""
    return (
        select(Session)
        .join(Session.source_version)
        .join(BUILD_SESSIONS, BUILD_SESSIONS.c.session_id == Session.id)
        .join(Build, Build.id == BUILD_SESSIONS.c.build_id)
    )


def _skip(transaction: Transaction, session: Session, reason: str) -> None:
    lock_releases(transaction)
    lock_sessions(transaction, [session.id])
    done = select(Job.id).where(Job.session_id == session.id, Job.state == JobState.DONE)
    if transaction.scalar(done) is not None:
        raise CallError(f"Session {session.key} is done; only one that is not can be skipped.")
    jobs = jobs_of([session.id])
    set_jobs(transaction, jobs, JobState.SKIPPED, skipped_because=reason, output=None)
    release_reservations(transaction, [session.id])
    outdate_releases_of(transaction, [session.id])
