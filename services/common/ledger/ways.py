"""The way of a session to its chunk: copied and then binned, or streamed from where its archive keeps it.

The catalogue's `fetch` says which ways there are, the kind of the session's own job which one it goes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Select, delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session as Transaction
from sqlalchemy.orm import aliased

from services.common.ledger.attempts import start_again, withdraw_attempts
from services.common.ledger.locks import jobs_of, lock_jobs, lock_sessions, sessions_of
from services.common.ledger.releases import outdate_releases_of
from services.common.ledger.rooms import free_rooms
from services.common.models import Asset, Job, JobDependency, Session, SourceVersion
from services.common.models.work import JobKind, JobState

_WAYS: Mapping[str, Sequence[JobKind]] = {
    "copy": [JobKind.BIN],
    "stream": [JobKind.STREAM],
    "stream-or-copy": [JobKind.STREAM, JobKind.BIN],
}


def ways_of(entry: Mapping[str, Any]) -> Sequence[JobKind]:
    """Return the ways that a catalogue's entry leaves to its sessions, the first choice first."""
    return _WAYS[entry.get("fetch", "copy")]


def way_of(transaction: Transaction, session_id: int) -> JobKind:
    """Return the way that a session goes next: the one it is on, unless its source leaves only the other."""
    entry, current = transaction.execute(
        select(SourceVersion.entry, Job.kind)
        .join(Session, Session.source_version_id == SourceVersion.id)
        .join(Job, Job.session_id == Session.id)
        .where(Session.id == session_id)
    ).one()
    ways = ways_of(entry)
    return current if current in ways else ways[0]


def begin(transaction: Transaction, sessions: Select[int] | Sequence[int], way: JobKind) -> None:
    """Put locked sessions to the beginning of a way; what is under way for them is withdrawn."""
    jobs = jobs_of(sessions)
    lock_jobs(transaction, jobs)
    withdraw_attempts(transaction, jobs)
    free_rooms(transaction, sessions)
    start_again(transaction, jobs, JobState.BLOCKED)
    transaction.execute(update(Job).where(Job.session_id.in_(sessions)).values(kind=way))
    if way is JobKind.BIN:
        _copy_first(transaction, sessions)
    else:
        _copy_nothing(transaction, sessions)


def _copy_first(transaction: Transaction, sessions: Select[int] | Sequence[int]) -> None:
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


def _copy_nothing(transaction: Transaction, sessions: Select[int] | Sequence[int]) -> None:
    """Let nothing wait for fetches; those that there are stay blocked."""
    counting = select(Job.id).where(Job.session_id.in_(sessions))
    transaction.execute(delete(JobDependency).where(JobDependency.job_id.in_(counting)))


def hand_over(transaction: Transaction, job: Job) -> bool:
    """Have the session of a locked stream copied instead, if its source allows it; tell whether it does."""
    if job.kind is not JobKind.STREAM or job.session_id is None:
        return False
    entry = transaction.scalars(
        select(SourceVersion.entry)
        .join(Session, Session.source_version_id == SourceVersion.id)
        .where(Session.id == job.session_id)
    ).one()
    if JobKind.BIN not in ways_of(entry):
        return False
    begin(transaction, [job.session_id], JobKind.BIN)
    return True


def follow_entry(transaction: Transaction, source_version_id: int, entry: Mapping[str, Any]) -> None:
    """Let the sessions of a source whose `fetch` was changed go the way that it names now.

    What waits on another way begins again on this one, and so does what failed: that may be why `fetch` was
    changed. What runs ends as it is; what is done or waived stays so. The caller locked releases and source.
    """
    way = ways_of(entry)[0]
    unfinished = (
        select(Session.id)
        .join(Job, Job.session_id == Session.id)
        .where(Session.source_version_id == source_version_id)
        .where(Job.state.not_in([JobState.DONE, JobState.WAIVED]))
    )
    lock_sessions(transaction, unfinished)
    lock_jobs(transaction, jobs_of(unfinished))
    runs = Session.id.in_(sessions_of(Job.state == JobState.RUNNING))
    failed = Session.id.in_(sessions_of(Job.state == JobState.DEAD))
    moved = transaction.scalars(unfinished.where(~runs, (Job.kind != way) | failed)).all()
    sessions = select(func.unnest(literal(moved, ARRAY(BigInteger))))
    begin(transaction, sessions, way)
    outdate_releases_of(transaction, sessions)
