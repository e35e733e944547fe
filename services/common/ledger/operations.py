"""What a person may do to the ledger: retry, waive, cancel, prune; and reopen what lost its output."""

from collections.abc import Sequence

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session as Transaction
from sqlalchemy.orm import aliased

from services.common.errors import CallError
from services.common.ledger.claims import bury, end_attempt, let_go
from services.common.ledger.locks import lock_releases, lock_sessions
from services.common.ledger.releases import outdate_releases_of, replace_release
from services.common.ledger.rooms import give_back_room
from services.common.ledger.wanted import BUILD_SESSIONS, is_wanted
from services.common.models import (
    Asset,
    Build,
    Job,
    Release,
    Row,
    Session,
    Shard,
    ShardRow,
    SourceVersion,
)
from services.common.models.builds import BuildState, ReleaseState
from services.common.models.work import JobKind, JobState, Outcome

_MAX_REOPENED = 3


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
    for job in jobs:
        _start_again(job, JobState.READY)
    return len(sessions) + len(jobs)


def _other_dead_jobs(sources: Sequence[str]) -> Select[Job]:
    """Return dead plans, and without names also what failed of releases that still count."""
    dead = select(Job).where(Job.state == JobState.DEAD).order_by(Job.id).with_for_update()
    if sources:
        named = select(SourceVersion.id).where(SourceVersion.name.in_(sources))
        return dead.where(Job.source_version_id.in_(named))
    counting = select(Release.id).where(Release.state != ReleaseState.OUTDATED)
    shards = select(Shard.id).where(Shard.release_id.in_(counting))
    return dead.where((Job.kind == JobKind.PLAN) | Job.release_id.in_(counting) | Job.shard_id.in_(shards))


def _sessions_with_dead_jobs(sources: Sequence[str]) -> Select[int]:
    session_of_job = func.coalesce(Job.session_id, Asset.session_id)
    dead = (
        select(session_of_job)
        .outerjoin(Asset, Asset.id == Job.asset_id)
        .where(Job.state == JobState.DEAD, Job.kind.in_([JobKind.FETCH, JobKind.BIN]))
        .order_by(session_of_job)
        .distinct()
    )
    if sources:
        named = (
            select(Session.id)
            .join(SourceVersion, SourceVersion.id == Session.source_version_id)
            .where(SourceVersion.name.in_(sources))
        )
        dead = dead.where(session_of_job.in_(named))
    return dead


def restart_session(transaction: Transaction, session_id: int) -> None:
    """Put a session back to its beginning: its copies are fetched again when it has room."""
    lock_releases(transaction)
    lock_sessions(transaction, [session_id])
    give_back_room(transaction, session_id)
    for job in _jobs_of(transaction, session_id):
        if job.state is JobState.RUNNING:
            end_attempt(transaction, job.id, job.attempt, Outcome.WITHDRAWN)
        _start_again(job, JobState.BLOCKED)
    transaction.flush()
    outdate_releases_of(transaction, session_id)


def _jobs_of(transaction: Transaction, session_id: int) -> Sequence[Job]:
    assets = select(Asset.id).where(Asset.session_id == session_id)
    return transaction.scalars(
        select(Job)
        .where((Job.session_id == session_id) | Job.asset_id.in_(assets))
        .order_by(Job.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()


def _start_again(job: Job, state: JobState) -> None:
    let_go(job, state)
    job.failures = job.crashes = 0
    job.first_failed_at = job.retry_until = job.finished_at = None
    job.error = job.error_class = job.output = job.waived_because = None
    job.not_before = func.clock_timestamp()


def reclaim_rooms(transaction: Transaction) -> int:
    """Put back sessions that hold room in the spool and that nobody waits for any more; return how many.

    Else what a superseded build left in the spool could keep its successor out for ever.
    """
    if not transaction.scalars(_idle_rooms()).all():
        return 0
    lock_releases(transaction)
    idle = transaction.scalars(_idle_rooms()).all()
    for session_id in idle:
        restart_session(transaction, session_id)
    return len(idle)


def _idle_rooms() -> Select[int]:
    """Return the sessions that hold room, that no open build needs, and that nobody works on."""
    works = aliased(Job)
    assets = select(Asset.id).where(Asset.session_id == Session.id)
    running = (
        select(works.id)
        .where(works.state == JobState.RUNNING)
        .where((works.session_id == Session.id) | works.asset_id.in_(assets))
        .exists()
    )
    return (
        select(Session.id)
        .join(Job, Job.session_id == Session.id)
        .where(Session.admitted_at.is_not(None), ~is_wanted(), ~running)
        .order_by(Session.id)
    )


def reopen_session(transaction: Transaction, session_id: int, reason: str) -> None:
    """Do a session again because its chunk is missing or damaged; too often, and it is dead."""
    restart_session(transaction, session_id)
    transaction.execute(update(Session).where(Session.id == session_id).values(chunk=None))
    job = transaction.scalars(select(Job).where(Job.session_id == session_id).with_for_update()).one()
    _count_reopened(transaction, job, reason)


def reopen_release(transaction: Transaction, release_id: int, lost_shards: Sequence[int]) -> None:
    """Write lost shards of a published release again, and assemble it once more.

    Where their chunks were pruned, the whole release is made again.
    """
    lock_releases(transaction)
    release = transaction.get_one(Release, release_id, with_for_update=True)
    transaction.execute(update(Build).where(Build.id == release.build_id).values(state=BuildState.OPEN))
    if _need_pruned_chunks(transaction, lost_shards):
        replace_release(transaction, release)
        return
    release.state = ReleaseState.FROZEN
    transaction.flush()
    lost = select(Job).where(Job.shard_id.in_(lost_shards), Job.state == JobState.DONE).order_by(Job.id)
    for job in transaction.scalars(lost.with_for_update()):
        _write_again(transaction, job)
    assembly = select(Job).where(Job.release_id == release_id, Job.kind == JobKind.ASSEMBLE).with_for_update()
    _start_again(transaction.scalars(assembly).one(), JobState.BLOCKED)


def _need_pruned_chunks(transaction: Transaction, shards: Sequence[int]) -> bool:
    """Tell whether a row of these shards came from a chunk that its session no longer has."""
    pruned = (
        select(ShardRow.row_id)
        .join(Row, Row.id == ShardRow.row_id)
        .join(Session, Session.id == Row.session_id)
        .where(ShardRow.shard_id.in_(shards), Session.chunk.is_distinct_from(ShardRow.chunk))
        .exists()
    )
    return bool(transaction.scalar(select(pruned)))


def reopen_shard(transaction: Transaction, shard_id: int, reason: str) -> None:
    """Write a damaged shard again, and then assemble its release; too often, and it is dead.

    Nothing happens where the shard is being written again already, or its release is no longer in progress.
    """
    lock_releases(transaction)
    shard = transaction.get_one(Shard, shard_id)
    release = transaction.get_one(Release, shard.release_id)
    job = transaction.scalars(select(Job).where(Job.shard_id == shard_id).with_for_update()).one()
    if release.state is not ReleaseState.FROZEN or job.state is not JobState.DONE:
        return
    assembly = transaction.scalars(
        select(Job).where(Job.release_id == release.id, Job.kind == JobKind.ASSEMBLE).with_for_update()
    ).one()
    if assembly.state is JobState.RUNNING:
        end_attempt(transaction, assembly.id, assembly.attempt, Outcome.WITHDRAWN)
    _start_again(assembly, JobState.BLOCKED)
    _write_again(transaction, job)
    _count_reopened(transaction, job, reason)


def _write_again(transaction: Transaction, job: Job) -> None:
    """Put the job of a shard back to its beginning, and forget the file that it wrote."""
    _start_again(job, JobState.READY)
    transaction.execute(update(Shard).where(Shard.id == job.shard_id).values(bytes=None, sha256=None))


def _count_reopened(transaction: Transaction, job: Job, reason: str) -> None:
    """Bound how often the same output may be lost."""
    job.reopened += 1
    if job.reopened > _MAX_REOPENED:
        job.error_class = "DamagedOutputError"
        job.error = f"{reason} It was made {job.reopened} times; check the store's disk, then retry."
        job.reopened = 0
        bury(transaction, job)


def waive(transaction: Transaction, name: str, reason: str) -> None:
    """Let builds go on without a session, named as in the ledger (`source/subject/session`, or its end).

    Raises CallError when the name fits none, or more than one, or the session is done.
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
    jobs = _jobs_of(transaction, session.id)
    if any(job.kind is JobKind.BIN and job.state is JobState.DONE for job in jobs):
        raise CallError(f"Session {session.key} is done; only one that is not can be waived.")
    give_back_room(transaction, session.id)
    for job in _jobs_of(transaction, session.id):
        if job.state is JobState.RUNNING:
            end_attempt(transaction, job.id, job.attempt, Outcome.WITHDRAWN)
        let_go(job, JobState.WAIVED)
        job.output = None
        job.waived_because = reason
    transaction.flush()
    outdate_releases_of(transaction, session.id)


def _session_named(transaction: Transaction, name: str) -> Session:
    full_name = func.concat_ws("/", SourceVersion.name, Session.subject_id, Session.session_id)
    found = transaction.scalars(
        select(Session)
        .join(SourceVersion, SourceVersion.id == Session.source_version_id)
        .join(BUILD_SESSIONS, BUILD_SESSIONS.c.session_id == Session.id)
        .join(Build, Build.id == BUILD_SESSIONS.c.build_id)
        .where(Build.state.in_([BuildState.OPEN, BuildState.RELEASED]))
        .where((full_name == name) | full_name.endswith(f"/{name}", autoescape=True) | (Session.key == name))
        .distinct()
    ).all()
    if len(found) != 1:
        problem = "No session is" if not found else f"{len(found)} sessions are"
        raise CallError(
            f"{problem} called {name}; give source/subject/session as `spikemill status` prints it."
        )
    return found[0]


def cancel_builds(transaction: Transaction, pile: str | None = None) -> int:
    """Stop open builds, of one pile or of all; return how many. What is done stays done."""
    lock_releases(transaction)
    condition = Build.state == BuildState.OPEN
    if pile is not None:
        condition &= Build.pile == pile
    cancelled = transaction.scalars(
        update(Build).where(condition).values(state=BuildState.CANCELLED).returning(Build.id)
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
        end_attempt(transaction, job.id, job.attempt, Outcome.WITHDRAWN)
        let_go(job, JobState.READY)


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
