"""A push to the hub: how far it is, whether anybody waits for it, and the commit that came of it."""

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session as Transaction

from services.common.hub_target import HubTarget
from services.common.ledger.attempts import UNHELD, withdraw_attempts
from services.common.ledger.claims import SupersededError
from services.common.ledger.locks import lock_jobs, lock_releases
from services.common.ledger.push_wishes import (
    at_target,
    is_asked_for,
    is_at,
    is_push_wanted,
    push_of,
    set_target,
)
from services.common.ledger.releases import end_build
from services.common.models import Build, Job, Release
from services.common.models.builds import BuildState, ReleaseState
from services.common.models.work import JobState


def note_pushed_shards(transaction: Transaction, release_id: int, shards: int) -> None:
    """Note how many shards of a release the push under way is done with."""
    transaction.execute(
        update(Release)
        .where(Release.id == release_id, Release.hub_repository.is_not(None), Release.hub_commit.is_(None))
        .values(hub_shards=shards)
    )


def require_wanted_push(transaction: Transaction, release_id: int, target: HubTarget) -> None:
    """Raise SupersededError unless an open build waits for the release at this target.

    Asked just before the commit is made.
    """
    release = transaction.get_one(Release, release_id, populate_existing=True)
    build = transaction.get_one(Build, release.build_id, populate_existing=True)
    is_standing = build.state is BuildState.OPEN and release.state is ReleaseState.PUBLISHED
    if not (is_standing and is_asked_for(release, target)):
        raise SupersededError(f"Nobody waits any more for release {release.digest} at {target}.")


def record_push(transaction: Transaction, release_id: int, *, target: HubTarget, commit: str) -> None:
    """Write down the commit that holds a release, and call its build released if it waited for that."""
    lock_releases(transaction)
    release = transaction.get_one(Release, release_id, with_for_update=True)
    was_wanted = is_push_wanted(release)
    set_target(release, target)
    release.hub_commit, release.hub_pushed_at = commit, func.clock_timestamp()
    transaction.flush()
    if was_wanted:
        _end_push(transaction, release_id, commit)
        end_build(transaction, release.build_id)


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
    if release is None or (is_push_wanted(release) and not is_at(release, target)):
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


def _end_push(transaction: Transaction, release_id: int, commit: str) -> None:
    """Call the job of a push done where something else did what it was for."""
    undone = push_of(release_id) & (Job.state != JobState.DONE)
    lock_jobs(transaction, undone)
    withdraw_attempts(transaction, undone)
    transaction.execute(
        update(Job)
        .where(undone)
        .values(
            state=JobState.DONE,
            output={"commit": commit},
            error=None,
            error_class=None,
            finished_at=func.clock_timestamp(),
            **UNHELD,
        )
    )
