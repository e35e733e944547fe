"""One session, from its files to its chunk in the store."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikemill.services.binner.binning import BinnedRecordings, Origin, bin_recordings
from spikemill.services.binner.chunks import RowNames, Segment, WrittenRow, cut_segments, write_chunk
from spikemill.services.binner.counting import count_window
from spikemill.services.binner.readers import CopiedFile, Reader, Recording, RecordingFile, make_reader
from spikemill.services.common.catalog import source_from_record
from spikemill.services.common.database import transaction
from spikemill.services.common.errors import AssetError, RecordingError
from spikemill.services.common.files import sha256_of
from spikemill.services.common.ledger import recordings
from spikemill.services.common.ledger.jobs import Claim, Result
from spikemill.services.common.ledger.recordings import RowFacts, SessionFacts
from spikemill.services.common.models import Asset, Session, SourceVersion
from spikemill.services.common.store import open_store
from spikemill.services.common.store.spool import Copy, drop_copies, open_spool
from spikemill.services.common.types import chunk_name

UNKNOWN_SUBJECT = "unknown"


@dataclass(frozen=True, slots=True)
class ReaderSettings:
    """How a source's files are read and binned, as its catalogue entry says; `bin_size` is in seconds."""

    reader: str
    bin_size: float = 0.02
    origin: Origin = "zero"
    max_hours: float = 48.0
    reader_options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SessionNames:
    """What the planner knows; the subject is None where the archive's path does not name one."""

    source: str
    subject_id: str | None
    session_id: str


@dataclass(frozen=True, slots=True)
class BinnedSession:
    """What a session's chunk holds, and what was left out of it or clipped at 255."""

    subject_id: str
    n_units: int
    n_bins: int
    tokens: int
    spikes: int
    clipped: int
    left_out: int
    rows: tuple[WrittenRow, ...]
    bytes: int
    sha256: str


def bin_session(
    files: Sequence[RecordingFile], settings: ReaderSettings, names: SessionNames, destination: Path
) -> BinnedSession:
    """Count a session and write its chunk to `destination`, a temporary name.

    The files' units are stacked in the order of `files`, on one clock; one file that fails fails the session.
    Raises `RecordingError`, `AssetError`, `CatalogueError`, `StoreError` or what made a file's read fail, and
    then leaves no file.
    """
    reader = make_reader(settings.reader, settings.reader_options)
    recordings = [reader.read(file) for file in files]
    subject_id = names.subject_id or _recorded_subject(reader, files) or UNKNOWN_SUBJECT
    binned = _on_bins(recordings, settings, files)
    rows = _count_rows(binned)
    chunk = write_chunk(destination, RowNames(names.source, subject_id, names.session_id), rows)
    return BinnedSession(
        subject_id=subject_id,
        n_units=binned.n_units,
        n_bins=binned.n_bins,
        tokens=binned.n_units * binned.n_bins,
        spikes=binned.spikes,
        clipped=binned.clipped,
        left_out=binned.left_out,
        rows=chunk.rows,
        bytes=chunk.bytes,
        sha256=chunk.sha256,
    )


def _count_rows(binned: BinnedRecordings) -> Iterator[tuple[Segment, NDArray[np.uint8]]]:
    """Count the session's rows, one at a time."""
    for segment in cut_segments(binned.n_units, binned.n_bins):
        yield segment, count_window(binned.parts, segment.first_bin, segment.stop_bin)


def _on_bins(
    recordings: Sequence[Recording], settings: ReaderSettings, files: Sequence[RecordingFile]
) -> BinnedRecordings:
    """Bin all files of the session; what forbids it is said with the files' names."""
    try:
        return bin_recordings(
            recordings, bin_size=settings.bin_size, origin=settings.origin, max_hours=settings.max_hours
        )
    except RecordingError as error:
        raise RecordingError(f"{_names(files)}: {error}") from error


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
    """Name the files of a session in one line."""
    return ", ".join(file.name for file in files)


@dataclass(frozen=True, slots=True)
class SessionChunk:
    """A chunk that stands in the store, and what was counted into it."""

    name: str
    binned: BinnedSession

    @property
    def output(self) -> Mapping[str, Any]:
        """What the job says that it made."""
        return {"rows": len(self.binned.rows), "tokens": self.binned.tokens, "bytes": self.binned.bytes}

    @property
    def facts(self) -> SessionFacts:
        """What the ledger keeps of it."""
        return SessionFacts(
            subject_id=self.binned.subject_id,
            n_units=self.binned.n_units,
            n_bins=self.binned.n_bins,
            spikes=self.binned.spikes,
            clipped=self.binned.clipped,
            left_out=self.binned.left_out,
            chunk=self.name,
            chunk_sha256=self.binned.sha256,
            chunk_bytes=self.binned.bytes,
            rows=[RowFacts(row_group=row.index, **asdict(row)) for row in self.binned.rows],
        )


def _nothing() -> None:
    """Have nothing to check."""


def make_chunk(
    claim: Claim, session: Session, files: Sequence[RecordingFile], check: Callable[[], None] = _nothing
) -> SessionChunk:
    """Count a session's files, in path order, into a chunk of the store.

    `check` comes between: what it raises leaves nothing in the store.
    """
    source = session.source_version
    store = open_store()
    with store.draft(f"{claim.job}.{claim.attempt}") as drafts:
        draft = drafts / "chunk.parquet"
        names = SessionNames(source.name, session.subject_id, session.session_id)
        binned = bin_session(files, _reader_settings(source), names, draft)
        check()
        name = chunk_name(source.name, session.identity, binned.sha256)
        store.publish(draft, name, sha256=binned.sha256, size=binned.bytes)
    return SessionChunk(name, binned)


def _reader_settings(source: SourceVersion) -> ReaderSettings:
    entry = source_from_record(source.config)
    return ReaderSettings(
        reader=entry.reader,
        bin_size=entry.bin_size,
        origin=entry.origin,
        max_hours=entry.max_hours,
        reader_options=entry.reader_options,
    )


def bin_copied_session(claim: Claim) -> Result:
    """Bin a session whose assets were fetched; afterwards its copies go."""
    with transaction() as ledger:
        session = recordings.read_session(ledger, claim.subject)
    with open_spool().opened([_copy(asset) for asset in session.assets]) as paths:
        chunk = make_chunk(
            claim,
            session,
            [CopiedFile(path, asset.path) for path, asset in zip(paths, session.assets, strict=True)],
            check=partial(_require_unchanged, session.source_version, session.assets),
        )
    return Result(
        output=chunk.output,
        record=partial(recordings.record_counts, session_id=session.id, facts=chunk.facts),
        afterwards=partial(drop_copies, session.identity),
    )


def _copy(asset: Asset) -> Copy:
    return Copy(asset.path, asset.local_path or "", asset.sha256 or "")


def _require_unchanged(source: SourceVersion, assets: Sequence[Asset]) -> None:
    """See that files which are read where they lie are still those that were verified."""
    if source.archive != "files":
        return
    for asset in assets:
        if sha256_of(Path(asset.local_path or "")) != asset.sha256:
            raise AssetError(
                f"{asset.path} was changed while it was being read; build again when it is whole."
            )
