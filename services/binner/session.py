"""One session, from its files to its chunk in the store."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session as Transaction

from spikemill.services.binner.binning import Origin, bin_recordings, count_window
from spikemill.services.binner.chunks import UNKNOWN_SUBJECT, cut_segments, write_chunk
from spikemill.services.binner.readers import make_reader
from spikemill.services.binner.readers.base import CopiedFile, Reader, RecordingFile
from spikemill.services.common.archives import open_archive
from spikemill.services.common.archives.base import Archive
from spikemill.services.common.catalog import source_from_record
from spikemill.services.common.database import transaction
from spikemill.services.common.errors import AssetError, RecordingError
from spikemill.services.common.files import sha256_of
from spikemill.services.common.ledger import recordings
from spikemill.services.common.ledger.jobs import Claim, Result
from spikemill.services.common.ledger.recordings import TransferMeter
from spikemill.services.common.models import Asset, Session
from spikemill.services.common.rate_limit import LedgerRateLimiter
from spikemill.services.common.settings import settings
from spikemill.services.common.store import open_store
from spikemill.services.common.store.spool import Copy, drop_copies, open_spool
from spikemill.services.common.types import BinnedSession, SessionNames, chunk_name
from spikemill.services.common.worker.runner import Heartbeat

if TYPE_CHECKING:
    from spikemill.services.binner.remote.remote_file import RemoteFile


@dataclass(frozen=True, slots=True)
class ReaderSettings:
    """How a source's files are read and binned, as its catalogue entry says; `bin_size` is in seconds."""

    reader: str
    bin_size: float = 0.02
    origin: Origin = "zero"
    max_hours: float = 48.0
    reader_options: Mapping[str, Any] = field(default_factory=dict)


def bin_session(
    files: Sequence[RecordingFile], reader_settings: ReaderSettings, names: SessionNames, destination: Path
) -> BinnedSession:
    """Count a session and write its chunk to `destination`, a temporary name.

    The files' units are stacked in the order of `files`, on one clock; one file that fails fails the session.
    Raises `RecordingError`, `AssetError`, `CatalogueError`, `StoreError` or what made a file's read fail, and
    then leaves no file.
    """
    reader = make_reader(reader_settings.reader, reader_settings.reader_options)
    recordings = [reader.read(file) for file in files]
    subject_id = names.subject_id or _recorded_subject(reader, files) or UNKNOWN_SUBJECT
    try:
        binned = bin_recordings(
            recordings,
            bin_size=reader_settings.bin_size,
            origin=reader_settings.origin,
            max_hours=reader_settings.max_hours,
        )
    except RecordingError as error:
        raise RecordingError(f"{_names(files)}: {error}") from error
    rows = (
        (segment, count_window(binned.parts, segment.first_bin, segment.stop_bin))
        for segment in cut_segments(binned.n_units, binned.n_bins)
    )
    chunk = write_chunk(destination, replace(names, subject_id=subject_id), rows)
    return BinnedSession(
        subject_id=subject_id,
        n_units=binned.n_units,
        n_bins=binned.n_bins,
        spikes=binned.spikes,
        clipped=binned.clipped,
        left_out=binned.left_out,
        rows=chunk.rows,
        chunk_bytes=chunk.bytes,
        chunk_sha256=chunk.sha256,
    )


def _recorded_subject(reader: Reader, files: Sequence[RecordingFile]) -> str | None:
    """Return the subject that the files name; raise where they do not agree."""
    subjects = sorted({subject for file in files if (subject := reader.subject_id(file))})
    if len(subjects) > 1:
        raise RecordingError(
            f"{_names(files)}: the files of one session name different subjects "
            f"({', '.join(subjects)}); correct `group` in the catalogue"
        )
    return subjects[0] if subjects else None


def _names(files: Sequence[RecordingFile]) -> str:
    return ", ".join(file.name for file in files)


def bin_copied_session(claim: Claim) -> Result:
    """Bin a session whose assets were copied; afterwards the copies are removed."""
    with transaction() as ledger:
        session = recordings.read_session(ledger, claim.subject)
    copies = [Copy(asset.path, asset.local_path or "", asset.sha256 or "") for asset in session.assets]
    with open_spool().opened(copies) as paths:
        files = [CopiedFile(path, asset.path) for path, asset in zip(paths, session.assets, strict=True)]
        chunk, binned = _make_chunk(claim, session, files)
    return Result(
        output=_output(binned),
        record=partial(recordings.record_counts, session_id=session.id, chunk=chunk, binned=binned),
        afterwards=partial(drop_copies, session.identity),
    )


def bin_streamed_session(claim: Claim, heartbeat: Heartbeat) -> Result:
    """Bin a session by fetching only the bytes that its reader asks for."""
    with transaction() as ledger:
        session = recordings.read_session(ledger, claim.subject)
    # Every attempt asks the archive for its links anew.
    archive = open_archive(source_from_record(session.source_version.config), LedgerRateLimiter())
    with ExitStack() as opened:
        files = [opened.enter_context(_remote_file(archive, asset, heartbeat)) for asset in session.assets]
        chunk, binned = _make_chunk(claim, session, files)
        verified_by = {
            asset.id: file.pinned.identified_by for asset, file in zip(session.assets, files, strict=True)
        }

    def record(ledger: Transaction) -> None:
        recordings.record_counts(ledger, session.id, chunk, binned)
        recordings.record_streamed(ledger, verified_by)

    return Result(output=_output(binned), record=record)


@contextmanager
def _remote_file(archive: Archive, asset: Asset, heartbeat: Heartbeat) -> Iterator["RemoteFile"]:
    """Open an asset; the bytes that travelled are counted even where the session fails."""
    # Only streaming loads an HTTP client.
    from spikemill.services.binner.remote.remote_file import open_remote  # noqa: PLC0415

    meter, requests = TransferMeter(heartbeat.check), 0
    try:
        with open_remote(
            archive,
            recordings.as_listed(asset),
            limiter=LedgerRateLimiter(),
            connections=settings().stream_connections,
            progress=meter.add,
        ) as file:
            try:
                yield file
            finally:
                requests = file.pinned.requests
    finally:
        meter.flush(asset.id, requests=requests)


def _make_chunk(claim: Claim, session: Session, files: Sequence[RecordingFile]) -> tuple[str, BinnedSession]:
    """Count a session's files, in path order, into a chunk and publish it; return its name in the store."""
    source, store = session.source_version, open_store()
    with store.draft(f"{claim.job}.{claim.attempt}") as drafts:
        draft = drafts / "chunk.parquet"
        names = SessionNames(source.name, session.subject_id, session.session_id)
        reader_settings = ReaderSettings(
            **{key.name: source.config[key.name] for key in fields(ReaderSettings)}
        )
        binned = bin_session(files, reader_settings, names, draft)
        if source.archive == "files":
            _require_unchanged(session.assets)
        chunk = chunk_name(source.name, session.identity, binned.chunk_sha256)
        store.publish(draft, chunk, sha256=binned.chunk_sha256, size=binned.chunk_bytes)
    return chunk, binned


def _require_unchanged(assets: Sequence[Asset]) -> None:
    """Require that files which are read in place are still those that were verified."""
    for asset in assets:
        if sha256_of(Path(asset.local_path or "")) != asset.sha256:
            raise AssetError(
                f"{asset.path} was changed while it was being read; build again when it is whole."
            )


def _output(binned: BinnedSession) -> Mapping[str, int]:
    return {"rows": len(binned.rows), "tokens": binned.tokens, "bytes": binned.chunk_bytes}
