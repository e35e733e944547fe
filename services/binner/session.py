"""One session, from its files to its chunk: what the binner does, without ledger, queue or network."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.binner.binning import BinnedRecordings, bin_recordings
from services.binner.chunks import RowNames, WrittenRow, write_chunk
from services.binner.counting import count_window
from services.binner.edges import Origin
from services.binner.readers import Reader, Recording, RecordingFile, make_reader
from services.binner.segments import Segment, cut_segments
from services.common.errors import RecordingError

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
