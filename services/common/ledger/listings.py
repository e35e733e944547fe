"""A source's whole listing, sealed in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import func, select
from sqlalchemy.orm import Session as Transaction

from services.common.archives.base import Asset as ListedAsset
from services.common.identity import session_identity
from services.common.ledger.claims import SupersededError
from services.common.ledger.ways import begin, ways_of
from services.common.models import Asset, Job, Session, SourceVersion
from services.common.models.work import JobState


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """One session of a listing, with its assets in path order."""

    key: str
    subject_id: str | None
    session_id: str
    assets: Sequence[ListedAsset] = field(default_factory=tuple)


def seal_source(transaction: Transaction, source_version_id: int, sessions: Sequence[SessionPlan]) -> None:
    """Write a source's whole listing and seal it; a sealed listing never changes."""
    source = transaction.scalars(
        select(SourceVersion).where(SourceVersion.id == source_version_id).with_for_update()
    ).one()
    if source.sealed_at is not None:
        return
    added = [_session(source, ordinal, plan) for ordinal, plan in enumerate(sessions)]
    transaction.add_all(added)
    transaction.flush()
    _add_jobs(transaction, source, added)
    source.sealed_at = func.clock_timestamp()
    source.n_planned = len(sessions)


def _session(source: SourceVersion, ordinal: int, plan: SessionPlan) -> Session:
    """Return a session of the listing, with its assets."""
    return Session(
        source_version_id=source.id,
        identity=session_identity(source.digest, plan.key),
        ordinal=ordinal,
        key=plan.key,
        subject_id=plan.subject_id,
        session_id=plan.session_id,
        assets=[
            Asset(
                position=position,
                archive_asset_id=asset.asset_id,
                path=asset.path,
                size=asset.size,
                digests=dict(asset.digests),
            )
            for position, asset in enumerate(plan.assets)
        ],
    )


def _add_jobs(transaction: Transaction, source: SourceVersion, sessions: Sequence[Session]) -> None:
    """Queue the sessions, each on the way that the source's entry names first."""
    way = ways_of(source.entry)[0]
    transaction.add_all(
        Job(kind=way, state=JobState.BLOCKED, session_id=session.id, format_id=source.format_id)
        for session in sessions
    )
    transaction.flush()
    begin(transaction, select(Session.id).where(Session.source_version_id == source.id), way)


def as_listed(asset: Asset) -> ListedAsset:
    """Return an asset as its archive listed it."""
    return ListedAsset(asset.archive_asset_id, asset.path, asset.size, asset.digests)


def require_open_source(transaction: Transaction, source_version_id: int) -> SourceVersion:
    """Return a source version that is still to be planned; raise SupersededError when it is sealed."""
    source = transaction.get_one(SourceVersion, source_version_id)
    if source.sealed_at is not None:
        raise SupersededError(f"Source {source.name} is sealed already.")
    return source
