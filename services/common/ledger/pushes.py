"""Pushes of a release to a hub: requested, under way, done or cancelled."""

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session as Transaction

from spikemill.services.common.errors import SupersededError
from spikemill.services.common.hub_target import HubTarget
from spikemill.services.common.ledger.locks import lock_releases, reset_jobs, set_jobs
from spikemill.services.common.models import Build, BuildState, Job, JobKind, JobState, Release, ReleaseState


def target_of(release: Release) -> HubTarget | None:
    """Return where the release is to be pushed to, or was last."""
    if release.hub_repository is None:
        return None
    return HubTarget(
        release.hub_repository,
        release.hub_revision or "",
        bool(release.hub_private),
        release.hub_endpoint or "",
    )


def is_push_requested(release: Release) -> bool:
    """Tell whether the release is still to be pushed: it names a repository, and no commit yet."""
    return release.hub_repository is not None and release.hub_commit is None


def request_push(transaction: Transaction, release: Release, target: HubTarget | None) -> None:
    """Have a release pushed to a target; without one cancel the push that was requested.

    Also where it was pushed to before: only the hub knows what it holds now, and an equal push changes
    nothing there. The caller locked the releases.
    """
    if target is None:
        cancel_push(transaction, release)
    elif not _is_requested_at(release, target):
        _set_target(release, target)
        restart_push(transaction, release.id)
    if release.state is ReleaseState.PUBLISHED and is_push_requested(release):
        _queue_push(transaction, release.id)


def cancel_push(transaction: Transaction, release: Release) -> None:
    """Forget where a release was to be pushed to; what was pushed stays known."""
    if is_push_requested(release):
        _set_target(release, None)
        restart_push(transaction, release.id)


def restart_push(transaction: Transaction, release_id: int) -> None:
    """Start the push of a release again, if it has one; a worker that runs it loses it."""
    transaction.flush()
    reset_jobs(transaction, _push_of(release_id), JobState.READY)


def copy_push_request(release: Release, predecessor: Release) -> None:
    """Request the push of a release that was requested of the one that it replaces."""
    if is_push_requested(predecessor):
        _set_target(release, target_of(predecessor))


def copy_commit(release: Release, twin: Release) -> None:
    """Copy the commit of an equal release that was pushed, unless this one has a target of its own."""
    if release.hub_repository is None and twin.hub_commit is not None:
        _set_target(release, target_of(twin))
        release.hub_commit, release.hub_pushed_at = twin.hub_commit, twin.hub_pushed_at


def _is_requested_at(release: Release, target: HubTarget) -> bool:
    return is_push_requested(release) and target_of(release) == target


def _set_target(release: Release, target: HubTarget | None) -> None:
    """Let the release name a target, or none, and no commit."""
    release.hub_repository = target.repository if target else None
    release.hub_revision = target.revision if target else None
    release.hub_private = target.private if target else None
    release.hub_endpoint = target.endpoint if target else None
    release.hub_shards = release.hub_commit = release.hub_pushed_at = None


def _queue_push(transaction: Transaction, release_id: int) -> None:
    """Queue the push of a published release; it makes no bytes, so a worker of any format may do it."""
    transaction.execute(
        upsert(Job)
        .values(kind=JobKind.PUBLISH, state=JobState.READY, release_id=release_id)
        .on_conflict_do_nothing(index_elements=["release_id", "kind"])
    )


def _push_of(release_id: int) -> ColumnElement[bool]:
    return (Job.release_id == release_id) & (Job.kind == JobKind.PUBLISH)


def publish_release(transaction: Transaction, release_id: int, *, provenance_sha256: str) -> None:
    """Mark a release published, and its build released unless it waits for the push to the hub."""
    release = transaction.scalar(
        update(Release)
        .where(Release.id == release_id, Release.state == ReleaseState.FROZEN)
        .values(
            state=ReleaseState.PUBLISHED,
            published_at=func.clock_timestamp(),
            provenance_sha256=provenance_sha256,
        )
        .returning(Release)
    )
    if release is None:
        raise SupersededError(f"Release {release_id} was replaced or cancelled.")
    if is_push_requested(release):
        _queue_push(transaction, release_id)
    else:
        _end_build(transaction, release.build_id)


def _end_build(transaction: Transaction, build_id: int) -> None:
    """Mark a build released, unless another took its place or a release of it is still being made."""
    unfinished = (
        select(Release.id)
        .where(Release.build_id == build_id)
        .where(Release.state.in_([ReleaseState.WAITING, ReleaseState.FROZEN]))
        .exists()
    )
    transaction.execute(
        update(Build)
        .where(Build.id == build_id, Build.state == BuildState.OPEN, ~unfinished)
        .values(state=BuildState.RELEASED)
    )


def note_pushed_shards(transaction: Transaction, release_id: int, shards: int) -> None:
    """Record how many shards of a release the running push has found or sent."""
    transaction.execute(
        update(Release)
        .where(Release.id == release_id, Release.hub_repository.is_not(None), Release.hub_commit.is_(None))
        .values(hub_shards=shards)
    )


def require_requested_push(transaction: Transaction, release_id: int, target: HubTarget) -> None:
    """Raise SupersededError unless an open build needs this push; asked just before the commit is made."""
    release = transaction.get_one(Release, release_id, populate_existing=True)
    build = transaction.get_one(Build, release.build_id, populate_existing=True)
    is_published = build.state is BuildState.OPEN and release.state is ReleaseState.PUBLISHED
    if not (is_published and _is_requested_at(release, target)):
        raise SupersededError(f"The push of release {release.digest} to {target} was cancelled.")


def record_push(transaction: Transaction, release_id: int, *, target: HubTarget, commit: str) -> None:
    """Record the commit that holds a release, and mark its build released if it waited for that."""
    lock_releases(transaction)
    release = transaction.get_one(Release, release_id, with_for_update=True)
    was_requested = is_push_requested(release)
    _set_target(release, target)
    release.hub_commit, release.hub_pushed_at = commit, func.clock_timestamp()
    transaction.flush()
    if was_requested:
        _end_push(transaction, release_id, commit)
        _end_build(transaction, release.build_id)


def _end_push(transaction: Transaction, release_id: int, commit: str) -> None:
    """Mark the job of a push done where a push by hand did what it was for."""
    set_jobs(
        transaction,
        _push_of(release_id) & (Job.state != JobState.DONE),
        JobState.DONE,
        output={"commit": commit},
        error=None,
        error_class=None,
        finished_at=func.clock_timestamp(),
    )


def note_push(
    transaction: Transaction, digest: str, provenance_sha256: str, target: HubTarget, commit: str
) -> bool:
    """Record a push that no job made; tell whether it was recorded.

    It is not where no published release is this pile, or where that is still to be pushed elsewhere.
    """
    lock_releases(transaction)
    release = transaction.scalar(
        select(Release).where(
            Release.digest == digest,
            Release.provenance_sha256 == provenance_sha256,
            Release.state == ReleaseState.PUBLISHED,
        )
    )
    if release is None:
        return False
    named = target_of(release)
    if named is not None and is_push_requested(release) and named.place != target.place:
        return False
    record_push(transaction, release.id, target=target, commit=commit)
    return True


def commit_of(transaction: Transaction, build_id: int, target: HubTarget) -> str | None:
    """Return the commit that a build was last pushed to this target as, if it was."""
    return transaction.scalar(
        select(Release.hub_commit)
        .where(Release.build_id == build_id, Release.hub_commit.is_not(None))
        .where(Release.hub_endpoint == target.endpoint, Release.hub_repository == target.repository)
        .where(Release.hub_revision == target.revision)
        .order_by(Release.hub_pushed_at.desc())
        .limit(1)
    )
