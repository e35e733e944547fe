"""What is to be built: source versions, builds, and the release that is asked for of each build."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session as Transaction

from spikemill.services.common.hub_target import WITHOUT_PUSH, HubTarget, require_redistributable
from spikemill.services.common.ledger.build_queries import left_out_of
from spikemill.services.common.ledger.locks import lock_releases
from spikemill.services.common.ledger.pushes import cancel_push, is_push_requested, request_push
from spikemill.services.common.ledger.sessions import apply_fetch_mode, fetch_modes_of
from spikemill.services.common.models import (
    Build,
    BuildSource,
    BuildState,
    Job,
    JobKind,
    JobState,
    Release,
    ReleaseState,
    SourceVersion,
)
from spikemill.services.common.types import digest

_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtext('spikemill.pile:' || :pile))")


@dataclass(frozen=True, slots=True)
class SourceRequest:
    """A source as it is asked for: columns of its version; `digest` is over all that decides its bytes."""

    digest: str
    name: str
    archive: str
    api: str
    config: dict[str, Any]
    format_id: str
    expected: dict[str, Any]


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """A build, the parameters of its release, and where on the hub that is to be pushed, if anywhere."""

    pile: str
    notes: str | None
    sources: Sequence[SourceRequest]
    parameters: dict[str, Any]
    session_limit: int | None = None
    allow_missing: bool = False
    adds_to_open_build: bool = False
    push: HubTarget | None = None


@dataclass(frozen=True, slots=True)
class OpenedBuild:
    """A build, and the release of it that was asked for."""

    build: int
    release: int
    is_published: bool


def open_build(transaction: Transaction, request: BuildRequest) -> OpenedBuild:
    """Ask for a build, and make it the open one of its pile unless all that is asked for is done already.

    An equal build is found again with all that was done for it. What was open under the same pile name is
    superseded; with `adds_to_open_build` the sources of an open build are kept and the new ones join them, so
    that two calls never publish half of what was asked for. The last call says where its release is pushed
    to, also where it was before. Raises `CallError` where it may not be pushed.
    """
    transaction.execute(_ONE_AT_A_TIME, {"pile": request.pile})
    lock_releases(transaction)
    # In one order, or two piles of the same sources would wait for each other.
    sources = sorted(request.sources, key=lambda source: source.digest)
    versions = {_source_version(transaction, source) for source in sources}
    if request.adds_to_open_build:
        versions |= _sources_of_open_build(transaction, request)
    if request.push is not None:
        configs = select(SourceVersion.config).where(SourceVersion.id.in_(versions))
        require_redistributable(transaction.scalars(configs), otherwise=WITHOUT_PUSH)
    build_id = _build(transaction, request, versions)
    transaction.execute(
        update(Build)
        .where(Build.pile == request.pile, Build.id != build_id, Build.state == BuildState.OPEN)
        .values(state=BuildState.SUPERSEDED)
    )
    release = _release(transaction, build_id, request.parameters, allow_missing=request.allow_missing)
    request_push(transaction, release, request.push)
    is_published = release.state is ReleaseState.PUBLISHED
    state = BuildState.RELEASED if is_published and not is_push_requested(release) else BuildState.OPEN
    transaction.execute(update(Build).where(Build.id == build_id).values(state=state, notes=request.notes))
    return OpenedBuild(build_id, release.id, is_published)


def _source_version(transaction: Transaction, source: SourceRequest) -> int:
    """Find or add a source version, with its plan job; what decides no bytes of its rows may have changed."""
    known = select(SourceVersion.config).where(SourceVersion.digest == source.digest)
    before = transaction.scalar(known.with_for_update(key_share=True))
    changeable = {"config": source.config, "expected": source.expected}
    version_id = transaction.scalars(
        upsert(SourceVersion)
        .values(asdict(source))
        .on_conflict_do_update(index_elements=["digest"], set_=changeable)
        .returning(SourceVersion.id)
    ).one()
    transaction.execute(
        upsert(Job)
        .values(kind=JobKind.PLAN, state=JobState.READY, source_version_id=version_id)
        .on_conflict_do_nothing(index_elements=["source_version_id"])
    )
    if before is not None and fetch_modes_of(before) != fetch_modes_of(source.config):
        apply_fetch_mode(transaction, version_id, source.config)
    return version_id


def _sources_of_open_build(transaction: Transaction, request: BuildRequest) -> set[int]:
    """Return the sources of the pile's open build that the request does not name itself."""
    names = [source.name for source in request.sources]
    kept = (
        select(BuildSource.source_version_id)
        .join(Build, Build.id == BuildSource.build_id)
        .join(SourceVersion, SourceVersion.id == BuildSource.source_version_id)
        .where(Build.pile == request.pile, Build.state == BuildState.OPEN, SourceVersion.name.not_in(names))
    )
    return set(transaction.scalars(kept))


def _build(transaction: Transaction, request: BuildRequest, versions: set[int]) -> int:
    digests = transaction.scalars(
        select(SourceVersion.digest).where(SourceVersion.id.in_(versions)).order_by(SourceVersion.digest)
    )
    key = digest([request.pile, list(digests), request.session_limit])
    known = transaction.scalar(select(Build.id).where(Build.digest == key))
    if known is not None:
        return known
    build = Build(
        digest=key, pile=request.pile, session_limit=request.session_limit, state=BuildState.SUPERSEDED
    )
    transaction.add(build)
    transaction.flush()
    rows = [{"build_id": build.id, "source_version_id": version} for version in sorted(versions)]
    transaction.execute(insert(BuildSource), rows)
    return build.id


def _release(
    transaction: Transaction, build_id: int, parameters: dict[str, Any], *, allow_missing: bool
) -> Release:
    """Return the release that is asked for, in progress or published; no other stays in progress."""
    standing = transaction.scalars(
        select(Release)
        .where(Release.build_id == build_id, Release.state != ReleaseState.OUTDATED)
        .order_by(Release.id.desc())
        .with_for_update()
    ).all()
    asked = (parameters, allow_missing)
    wanted = next((each for each in standing if (each.parameters, each.allow_missing) == asked), None)
    if wanted is not None and _misses_what_was_retried(transaction, wanted):
        wanted = None
    for release in standing:
        if release is not wanted:
            cancel_push(transaction, release)
            # What is published stays so.
            if release.state is not ReleaseState.PUBLISHED:
                release.state = ReleaseState.OUTDATED
    transaction.flush()
    if wanted is None:
        wanted = Release(
            build_id=build_id,
            state=ReleaseState.WAITING,
            parameters=parameters,
            allow_missing=allow_missing,
        )
        transaction.add(wanted)
        transaction.flush()
    return wanted


def _misses_what_was_retried(transaction: Transaction, release: Release) -> bool:
    """Tell whether a session is missing from a published release that was retried since."""
    if release.state is not ReleaseState.PUBLISHED or not release.missing:
        return False
    still_missing = {(left.source, left.file) for left in left_out_of(transaction, release.build_id)}
    return not {(left["source"], left["path"]) for left in release.missing} <= still_missing
