"""A session that a person passes by, with a reason."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session as Transaction

from services.common.errors import CallError
from services.common.ledger.attempts import let_go, withdraw_attempt
from services.common.ledger.locks import lock_releases, lock_sessions
from services.common.ledger.releases import outdate_releases_of
from services.common.ledger.restarting import jobs_of_session
from services.common.ledger.rooms import give_back_room
from services.common.ledger.wanted import BUILD_SESSIONS
from services.common.models import Build, Session, SourceVersion
from services.common.models.builds import BuildState
from services.common.models.work import JobKind, JobState


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
    jobs = jobs_of_session(transaction, session.id)
    if any(job.kind is JobKind.BIN and job.state is JobState.DONE for job in jobs):
        raise CallError(f"Session {session.key} is done; only one that is not can be waived.")
    give_back_room(transaction, session.id)
    for job in jobs_of_session(transaction, session.id):
        withdraw_attempt(transaction, job)
        let_go(job, JobState.WAIVED)
        job.output = None
        job.waived_because = reason
    transaction.flush()
    outdate_releases_of(transaction, session.id)


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
