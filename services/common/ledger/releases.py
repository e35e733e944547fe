"""What becomes of releases: the gate that lets one freeze, its shards, its publication, its successor."""

from collections.abc import Sequence

from sqlalchemy import Select, exists, func, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session as Transaction

from services.common.data_format import FORMAT_ID
from services.common.ledger.claims import SupersededError
from services.common.ledger.locks import lock_releases
from services.common.ledger.push_wishes import inherit_wish, is_push_wanted, queue_push
from services.common.ledger.wanted import BUILD_SESSIONS
from services.common.models import Build, Job, Release, Shard
from services.common.models.builds import BuildState, ReleaseState
from services.common.models.work import JobKind, JobState

_READY_TO_FREEZE = text("""
    SELECT gate.release_id FROM releases_ready_to_freeze AS gate
    WHERE NOT EXISTS (SELECT FROM jobs AS job WHERE job.release_id = gate.release_id)
    ORDER BY gate.release_id
""")


def fire_gates(transaction: Transaction) -> None:
    """Queue the freezing of each release whose sources are all complete."""
    if transaction.scalar(_READY_TO_FREEZE) is None:
        return
    # Looked at again under the lock: a session may just have been reopened.
    lock_releases(transaction)
    for release_id in transaction.scalars(_READY_TO_FREEZE).all():
        transaction.execute(
            upsert(Job)
            .values(kind=JobKind.FREEZE, state=JobState.READY, release_id=release_id, format_id=FORMAT_ID)
            .on_conflict_do_nothing(index_elements=["release_id", "kind"])
        )


def record_shard(transaction: Transaction, shard_id: int, *, size: int, sha256: str) -> None:
    """Write down a shard that stands in the store."""
    transaction.execute(update(Shard).where(Shard.id == shard_id).values(bytes=size, sha256=sha256))


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
    if is_push_wanted(release):
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


def is_in_progress(transaction: Transaction, release_id: int) -> bool:
    """Tell whether the release is frozen and its build still open, and keep it so for this transaction.

    Asked just before the pile is switched.
    """
    lock_releases(transaction)
    wanted = (
        exists()
        .where(Release.id == release_id, Release.state == ReleaseState.FROZEN)
        .where(Build.id == Release.build_id, Build.state == BuildState.OPEN)
    )
    return bool(transaction.scalar(select(wanted)))


def outdate_releases_of(transaction: Transaction, sessions: Select[int] | Sequence[int]) -> None:
    """Replace each list in progress that names one of the sessions by one that is still to be frozen.

    The caller locked the releases before it changed the sessions.
    """
    builds = select(BUILD_SESSIONS.c.build_id).where(BUILD_SESSIONS.c.session_id.in_(sessions))
    freezing = (Job.release_id == Release.id) & (Job.kind == JobKind.FREEZE)
    touched = transaction.scalars(
        select(Release)
        .join(Job, freezing)
        .where(Release.state.in_([ReleaseState.WAITING, ReleaseState.FROZEN]), Release.build_id.in_(builds))
        .with_for_update(of=Release)
    ).all()
    for release in touched:
        replace_release(transaction, release)


def replace_release(transaction: Transaction, release: Release) -> None:
    """Outdate a release and want it anew, with the same parameters, and where it was wanted."""
    release.state = ReleaseState.OUTDATED
    transaction.flush()
    again = Release(
        build_id=release.build_id,
        parameters=release.parameters,
        allow_missing=release.allow_missing,
        state=ReleaseState.WAITING,
    )
    inherit_wish(again, release)
    transaction.add(again)
    transaction.flush()
