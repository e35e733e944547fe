"""The binner's job: one session, from its verified copies to a chunk in the store."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path

from celery import Task

from services.binner.app import app
from services.binner.file_names import name_as_archive
from services.binner.session import BinnedSession, ReaderSettings, SessionNames, bin_session
from services.common.catalogue import source_from_record
from services.common.database import transaction
from services.common.errors import AssetError, DamagedOutputError, RecordingError
from services.common.heartbeat import Heartbeat
from services.common.identity import chunk_name
from services.common.ledger import recordings
from services.common.ledger.claims import Claim
from services.common.ledger.endings import Result
from services.common.ledger.recordings import RowFacts, SessionFacts
from services.common.models import Asset, SourceVersion
from services.common.models.work import JobKind
from services.common.queues import task_name
from services.common.spool import drop_copies
from services.common.storage import open_store
from services.common.work import NETWORK_RETRIES, perform


@app.task(name=task_name(JobKind.BIN), **NETWORK_RETRIES)
def count(task: Task, job_id: int) -> None:
    """Bin one session."""
    perform(task, job_id, _bin_session)


def _bin_session(claim: Claim, _heartbeat: Heartbeat) -> Result:
    with transaction() as ledger:
        session = recordings.read_session(ledger, claim.subject)
    source = session.source_version
    store = open_store()
    with store.draft(f"{claim.job}.{claim.attempt}") as drafts, _archive_names(session.assets):
        draft = drafts / "chunk.parquet"
        binned = bin_session(
            _copies(session.assets),
            _reader_settings(source),
            SessionNames(source.name, session.subject_id, session.session_id),
            draft,
        )
        _require_unchanged(source, session.assets)
        name = chunk_name(source.name, session.identity, binned.sha256)
        store.publish(draft, name, sha256=binned.sha256, size=binned.bytes)
    return Result(
        output={"rows": len(binned.rows), "tokens": binned.tokens, "bytes": binned.bytes},
        record=partial(recordings.record_counts, session_id=session.id, facts=_facts(binned, name)),
        afterwards=partial(drop_copies, session.identity),
    )


def _copies(assets: Sequence[Asset]) -> list[Path]:
    """Return where the session's files lie, in path order."""
    return [_copy(asset) for asset in assets]


def _copy(asset: Asset) -> Path:
    copy = Path(asset.local_path or "")
    if not copy.is_file():
        raise DamagedOutputError(f"{asset.path} was there and is gone; retry fetches it again.")
    return copy


def _require_unchanged(source: SourceVersion, assets: Sequence[Asset]) -> None:
    """See that files which are read where they lie are still those that were verified."""
    if source.archive != "files":
        return
    for asset in assets:
        with Path(asset.local_path or "").open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != asset.sha256:
            raise AssetError(
                f"{asset.path} was changed while it was being read; build again when it is whole."
            )


def _reader_settings(source: SourceVersion) -> ReaderSettings:
    entry = source_from_record(source.entry)
    return ReaderSettings(
        reader=entry.reader,
        bin_size=entry.bin_size,
        origin=entry.origin,
        max_hours=entry.max_hours,
        reader_options=entry.reader_options,
    )


@contextmanager
def _archive_names(assets: Sequence[Asset]) -> Iterator[None]:
    """Let errors name files as the archive does, not as the spool does."""
    try:
        yield
    except RecordingError as error:
        files = [(Path(asset.local_path or asset.path).name, asset.path) for asset in assets]
        raise RecordingError(name_as_archive(str(error), files)) from error


def _facts(binned: BinnedSession, chunk: str) -> SessionFacts:
    return SessionFacts(
        subject_id=binned.subject_id,
        n_units=binned.n_units,
        n_bins=binned.n_bins,
        spikes=binned.spikes,
        clipped=binned.clipped,
        left_out=binned.left_out,
        chunk=chunk,
        chunk_sha256=binned.sha256,
        chunk_bytes=binned.bytes,
        rows=[RowFacts(row_group=row.index, **asdict(row)) for row in binned.rows],
    )
