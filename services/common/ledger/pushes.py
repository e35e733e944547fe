"""Pushes of a release to a hub: requested, under way, done or cancelled."""

from typing import Protocol

from sqlalchemy import ColumnElement, and_, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session as Transaction

from spikemill.services.common.errors import SupersededError
from spikemill.services.common.hub_target import HubTarget
from spikemill.services.common.ledger.locks import lock_releases, reset_jobs, set_jobs
from spikemill.services.common.models import Build, BuildState, Job, JobKind, JobState, Release, ReleaseState


class NamesTarget(Protocol):
    """A release, or what was read of one."""

    @property
    def hub_repository(self) -> str | None:
        """The dataset, if any; without one the other three are empty too."""

    @property
    def hub_revision(self) -> str | None:
        """Its branch."""

    @property
    def hub_private(self) -> bool | None:
        """Whether it is private if the push makes it."""

    @property
    def hub_endpoint(self) -> str | None:
        """The hub's address."""


def target_of(release: NamesTarget) -> HubTarget | None:
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
    """Tell whether the release is still to be pushed."""
    return release.hub_repository is not None and release.hub_commit is None


def request_push(transaction: Transaction, release: Release, target: HubTarget | None) -> None:
    """Let a release be pushed to a target; without one let nobody wait for a push.

    Also where it was pushed to before: only the hub knows what it holds now, and an equal push changes
    nothing there. The caller locked the releases.
    """
    if target is None:
        cancel_push(transaction, release)
    elif not is_asked_for(release, target):
        set_target(release, target)
        restart_push(transaction, release.id)
    if release.state is ReleaseState.PUBLISHED and is_push_requested(release):
        queue_push(transaction, release.id)


def cancel_push(transaction: Transaction, release: Release) -> None:
    """Forget where a release was to be pushed to; what was pushed stays known."""
    if is_push_requested(release):
        set_target(release, None)
        restart_push(transaction, release.id)


def copy_push_request(release: Release, predecessor: Release) -> None:
    """Want a release where the one was wanted that it replaces."""
    if is_push_requested(predecessor):
        set_target(release, target_of(predecessor))


def copy_commit(release: Release, twin: Release) -> None:
    """Know a release to be where an equal one was pushed to, unless it is wanted anywhere itself."""
    if release.hub_repository is None and twin.hub_commit is not None:
        set_target(release, target_of(twin))
        release.hub_commit, release.hub_pushed_at = twin.hub_commit, twin.hub_pushed_at


def queue_push(transaction: Transaction, release_id: int) -> None:
    """Queue the push of a release that stands; it makes no bytes, so a worker of any format may do it."""
    transaction.execute(
        upsert(Job)
        .values(kind=JobKind.PUBLISH, state=JobState.READY, release_id=release_id)
        .on_conflict_do_nothing(index_elements=["release_id", "kind"])
    )


def restart_push(transaction: Transaction, release_id: int) -> None:
    """Start the push of a release again, if it has one; a worker that runs it loses it."""
    transaction.flush()
    reset_jobs(transaction, _push_of(release_id), JobState.READY)


def set_target(release: Release, target: HubTarget | None) -> None:
    """Let the release name a target, or none, and nothing that was done."""
    release.hub_shards = release.hub_commit = release.hub_pushed_at = None
    if target is None:
        release.hub_repository = release.hub_revision = release.hub_private = release.hub_endpoint = None
        return
    release.hub_repository = target.repository
    release.hub_revision = target.revision
    release.hub_private = target.private
    release.hub_endpoint = target.endpoint


def is_asked_for(release: Release, target: HubTarget) -> bool:
    """Tell whether just this push is wanted already."""
    return is_push_requested(release) and target_of(release) == target


def is_at(release: Release, target: HubTarget) -> bool:
    """Tell whether the release names this place, as a wish or as what was done."""
    named = target_of(release)
    return named is not None and named.place == target.place


def at_target(target: HubTarget) -> ColumnElement[bool]:
    """Return the condition that a release names this place."""
    columns = (Release.hub_endpoint, Release.hub_repository, Release.hub_revision)
    return and_(*(column == value for column, value in zip(columns, target.place, strict=True)))


def _push_of(release_id: int) -> ColumnElement[bool]:
    """Return the condition that a job is the push of this release."""
    return (Job.release_id == release_id) & (Job.kind == JobKind.PUBLISH)


def publish_release(transaction: Transaction, release_id: int, *, provenance_sha256: str) -> None:
    """Call a release published, and its build released unless it waits for the push to the hub."""
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
        raise SupersededError(f"Release {release_id} is no longer the wanted one.")
    if is_push_requested(release):
        queue_push(transaction, release_id)
    else:
        end_build(transaction, release.build_id)


def end_build(transaction: Transaction, build_id: int) -> None:
    """Call a build released, unless another took its place or a release of it is still being made."""
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
    """Note how many shards of a release the push under way is done with."""
    transaction.execute(
        update(Release)
        .where(Release.id == release_id, Release.hub_repository.is_not(None), Release.hub_commit.is_(None))
        .values(hub_shards=shards)
    )


def require_requested_push(transaction: Transaction, release_id: int, target: HubTarget) -> None:
    """Raise SupersededError unless an open build waits for the release at this target.

    Asked just before the commit is made.
    """
    release = transaction.get_one(Release, release_id, populate_existing=True)
    build = transaction.get_one(Build, release.build_id, populate_existing=True)
    is_standing = build.state is BuildState.OPEN and release.state is ReleaseState.PUBLISHED
    if not (is_standing and is_asked_for(release, target)):
        raise SupersededError(f"The push of release {release.digest} to {target} was cancelled.")


def record_push(transaction: Transaction, release_id: int, *, target: HubTarget, commit: str) -> None:
    """Write down the commit that holds a release, and call its build released if it waited for that."""
    lock_releases(transaction)
    release = transaction.get_one(Release, release_id, with_for_update=True)
    was_wanted = is_push_requested(release)
    set_target(release, target)
    release.hub_commit, release.hub_pushed_at = commit, func.clock_timestamp()
    transaction.flush()
    if was_wanted:
        _end_push(transaction, release_id, commit)
        end_build(transaction, release.build_id)


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
    """Record a push that no job made; tell whether the ledger has a release that is this pile.

    One that is still to be pushed elsewhere keeps that wish, and nothing is recorded.
    """
    lock_releases(transaction)
    release = transaction.scalar(
        select(Release).where(
            Release.digest == digest,
            Release.provenance_sha256 == provenance_sha256,
            Release.state == ReleaseState.PUBLISHED,
        )
    )
    if release is None or (is_push_requested(release) and not is_at(release, target)):
        return False
    record_push(transaction, release.id, target=target, commit=commit)
    return True


def commit_of(transaction: Transaction, build_id: int, target: HubTarget) -> str | None:
    """Return the commit that a build was last pushed to this target as, if it was."""
    return transaction.scalar(
        select(Release.hub_commit)
        .where(Release.build_id == build_id, Release.hub_commit.is_not(None), at_target(target))
        .order_by(Release.hub_pushed_at.desc())
        .limit(1)
    )
