"""A session that a person passes by, with a reason."""

from collections.abc import Sequence

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session as Transaction

from services.common.errors import CallError
from services.common.ledger.attempts import UNHELD, withdraw_attempts
from services.common.ledger.locks import jobs_of, lock_jobs, lock_releases, lock_sessions
from services.common.ledger.releases import outdate_releases_of
from services.common.ledger.rooms import free_rooms
from services.common.ledger.wanted import BUILD_SESSIONS
from services.common.models import Build, Job, Session, SourceVersion
from services.common.models.builds import BuildState
from services.common.models.work import JobState


def waive(transaction: Transaction, name: str, reason: str) -> None:
    """Let builds go on without a session, named as in the ledger (`source/subject/session`, or its end).

    An open build is meant before one that is released. Raises CallError when the name fits none, or more than
    one, or the session is done.
    """
    _waive(transaction, _session_named(transaction, name), reason)


def waive_listed(transaction: Transaction, build_id: int, source: str, key: str, reason: str) -> None:
    """Waive the session of a build that its listing knows by this key; one that is not listed is no error."""
    listed = transaction.scalars(
        select(Session)
        .join(SourceVersion, SourceVersion.id == Session.source_version_id)
        .join(BUILD_SESSIONS, BUILD_SESSIONS.c.session_id == Session.id)
        .where(BUILD_SESSIONS.c.build_id == build_id, SourceVersion.name == source, Session.key == key)
    ).one_or_none()
    if listed is not None:
        _waive(transaction, listed, reason)


def _waive(transaction: Transaction, session: Session, reason: str) -> None:
    lock_releases(transaction)
    lock_sessions(transaction, [session.id])
    jobs = jobs_of([session.id])
    lock_jobs(transaction, jobs)
    done = select(Job.id).where(Job.session_id == session.id, Job.state == JobState.DONE)
    if transaction.scalar(done) is not None:
        raise CallError(f"Session {session.key} is done; only one that is not can be waived.")
    withdraw_attempts(transaction, jobs)
    free_rooms(transaction, [session.id])
    transaction.execute(
        update(Job).where(jobs).values(state=JobState.WAIVED, waived_because=reason, output=None, **UNHELD)
    )
    outdate_releases_of(transaction, [session.id])


def _session_named(transaction: Transaction, name: str) -> Session:
    found = _sessions_called(transaction, name, BuildState.OPEN) or _sessions_called(
        transaction, name, BuildState.RELEASED
    )
    if len(found) != 1:
        problem = "No session is" if not found else f"{len(found)} sessions are"
        raise CallError(
            f"{problem} called {name}; give source/subject/session as `spikemill status` prints it."
        )
    return found[0]


def _sessions_called(transaction: Transaction, name: str, state: BuildState) -> Sequence[Session]:
    """Return the sessions of builds in this state that bear the name, or whose names end in it."""
    full_name = func.concat_ws("/", SourceVersion.name, Session.subject_id, Session.session_id)
    return transaction.scalars(
        select(Session)
        .join(SourceVersion, SourceVersion.id == Session.source_version_id)
        .join(BUILD_SESSIONS, BUILD_SESSIONS.c.session_id == Session.id)
        .join(Build, Build.id == BUILD_SESSIONS.c.build_id)
        .where(Build.state == state)
        .where((full_name == name) | full_name.endswith(f"/{name}", autoescape=True) | (Session.key == name))
        .distinct()
    ).all()
