"""What archives list and recordings hold: sources, assets, sessions and rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial

from sqlalchemy import func, insert, select, text, update
from sqlalchemy.orm import Session as Transaction
from sqlalchemy.orm import selectinload

from spikemill.services.common.database import PATIENCE_FOR_RESULTS, patiently, transaction
from spikemill.services.common.errors import DamagedOutputError, RecordingError, SupersededError
from spikemill.services.common.ledger.sessions import fetch_modes_of, release_reservations, reset_sessions
from spikemill.services.common.models import Asset, Job, JobState, Row, Session, SourceVersion
from spikemill.services.common.types import Asset as ListedAsset
from spikemill.services.common.types import BinnedSession, PlannedSession, SessionRow, session_identity

_NAMES = text("SELECT pg_advisory_xact_lock(hashtext('spikemill.names:' || :source))")


def seal_source(transaction: Transaction, source_version_id: int, sessions: Sequence[PlannedSession]) -> None:
    """Write a source's whole listing and seal it; a sealed listing never changes."""
    source = transaction.get_one(SourceVersion, source_version_id, with_for_update=True)
    if source.sealed_at is not None:
        return
    added = [_session(source, ordinal, plan) for ordinal, plan in enumerate(sessions)]
    transaction.add_all(added)
    transaction.flush()
    kind = fetch_modes_of(source.config)[0]
    transaction.add_all(
        Job(kind=kind, state=JobState.BLOCKED, session_id=session.id, format_id=source.format_id)
        for session in added
    )
    transaction.flush()
    reset_sessions(transaction, select(Session.id).where(Session.source_version_id == source.id), kind)
    source.sealed_at = func.clock_timestamp()
    source.n_planned = len(sessions)


def _session(source: SourceVersion, ordinal: int, plan: PlannedSession) -> Session:
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


def as_listed(asset: Asset) -> ListedAsset:
    """Return an asset as its archive listed it."""
    return ListedAsset(asset.archive_asset_id, asset.path, asset.size, asset.digests)


def require_open_source(transaction: Transaction, source_version_id: int) -> SourceVersion:
    """Return a source version that is still to be planned; raise SupersededError when it is sealed."""
    source = transaction.get_one(SourceVersion, source_version_id)
    if source.sealed_at is not None:
        raise SupersededError(f"Source {source.name} is sealed already.")
    return source


def read_session(transaction: Transaction, session_id: int) -> Session:
    """Return a session with its source version and its assets."""
    loaded = [selectinload(Session.assets), selectinload(Session.source_version)]
    return transaction.get_one(Session, session_id, options=loaded)


def read_asset(transaction: Transaction, asset_id: int) -> Asset:
    """Return an asset with its session and source version."""
    loaded = selectinload(Asset.session).selectinload(Session.source_version)
    return transaction.get_one(Asset, asset_id, options=[loaded])


def record_copy(
    transaction: Transaction, asset_id: int, *, local_path: str, sha256: str, verified_by: str
) -> None:
    """Record where an asset's verified copy is."""
    transaction.execute(
        update(Asset)
        .where(Asset.id == asset_id)
        .values(
            local_path=local_path, sha256=sha256, verified_by=verified_by, fetched_at=func.clock_timestamp()
        )
    )


def record_streamed(transaction: Transaction, verified_by: Mapping[int, str]) -> None:
    """Record that assets were streamed, and whether the ETag or only the size of each agreed."""
    for asset_id, how in verified_by.items():
        transaction.execute(
            update(Asset)
            .where(Asset.id == asset_id)
            .values(sha256=None, verified_by=how, fetched_at=func.clock_timestamp())
        )


def count_transfer(transaction: Transaction, asset_id: int, *, arrived: int, requests: int) -> None:
    """Add to the bytes that were received of an asset, and to its range requests."""
    transaction.execute(
        update(Asset)
        .where(Asset.id == asset_id)
        .values(
            bytes_downloaded=Asset.bytes_downloaded + arrived,
            range_requests=Asset.range_requests + requests,
        )
    )


def record_counts(transaction: Transaction, session_id: int, chunk: str, binned: BinnedSession) -> None:
    """Record a session's counts and rows, and free its room in the spool.

    Raises RecordingError where another session of the source has the same names.
    """
    _require_own_names(transaction, session_id, binned.subject_id)
    transaction.execute(
        update(Session)
        .where(Session.id == session_id)
        .values(
            subject_id=binned.subject_id,
            n_units=binned.n_units,
            n_bins=binned.n_bins,
            spikes=binned.spikes,
            clipped_cells=binned.clipped,
            dropped_spikes=binned.left_out,
            chunk=chunk,
            chunk_sha256=binned.chunk_sha256,
            chunk_bytes=binned.chunk_bytes,
            binned_at=func.clock_timestamp(),
        )
    )
    release_reservations(transaction, [session_id])
    _write_rows(transaction, session_id, binned.rows)


def _require_own_names(transaction: Transaction, session_id: int, subject_id: str) -> None:
    """Raise RecordingError where another session has the same names: their rows would have them too."""
    session = transaction.get_one(Session, session_id)
    # Another that is being recorded at the same moment waits here.
    transaction.execute(_NAMES, {"source": str(session.source_version_id)})
    other = transaction.scalar(
        select(Session.key).where(
            Session.source_version_id == session.source_version_id,
            Session.subject_id == subject_id,
            Session.session_id == session.session_id,
            Session.id != session_id,
        )
    )
    if other is not None:
        raise RecordingError(
            f"{session.key} and {other} both say that they are session {session.session_id} of subject "
            f"{subject_id or '(none)'}: exclude one of them in the catalogue, or skip this one."
        )


def _write_rows(transaction: Transaction, session_id: int, rows: Sequence[SessionRow]) -> None:
    """Add the rows; a session that is binned again has the same ones, and keeps their ids."""
    known = transaction.scalars(select(Row).where(Row.session_id == session_id).order_by(Row.index)).all()
    if not known:
        values = [asdict(row) | {"session_id": session_id, "row_group": row.index} for row in rows]
        transaction.execute(insert(Row), values)
        return
    kept = [SessionRow(row.index, row.first_bin, row.bins, row.tokens, row.compressed_bytes) for row in known]
    if kept != list(rows):
        raise DamagedOutputError(
            "Binned again, this session came out different: its files changed, or a disk or memory is bad."
        )


@dataclass(slots=True)
class TransferMeter:
    """Counts the bytes of one asset in one attempt; `check` ends the attempt when its job was withdrawn."""

    check: Callable[[], None]
    _bytes: int = 0

    def add(self, arrived: int) -> None:
        """Add what arrived; raise SupersededError when the job was withdrawn."""
        self._bytes += arrived
        self.check()

    def flush(self, asset_id: int, *, requests: int = 0) -> None:
        """Record the sum, and how many range requests it took.

        Waits while Postgres is away. Where only its answer was lost, the sum is counted twice.
        """
        # It comes before the result, and must not be what loses it.
        if self._bytes or requests:
            patiently(partial(self._record, asset_id, requests), seconds=PATIENCE_FOR_RESULTS)

    def _record(self, asset_id: int, requests: int) -> None:
        with transaction() as ledger:
            count_transfer(ledger, asset_id, arrived=self._bytes, requests=requests)
