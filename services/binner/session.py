"""One session, from its files to its chunk: what the binner does, without ledger, queue or network."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.binner.chunks import RowNames, WrittenRow, write_chunk
from services.binner.counting import count_window
from services.binner.edges import BinEdges, Origin, lay_edges
from services.binner.readers import Reader, Recording, make_reader
from services.binner.segments import Segment, cut_segments
from services.binner.spike_bins import SpikeBins, finite_range, to_bins
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
    paths: Sequence[Path], settings: ReaderSettings, names: SessionNames, destination: Path
) -> BinnedSession:
    """Count a session and write its chunk to `destination`, a temporary name.

    The files' units are stacked in the order of `paths`, on one clock; one file that fails fails the session.
    Raises `RecordingError`, `AssetError`, `CatalogueError` or `StoreError`, and then leaves no file.
    """
    reader = make_reader(settings.reader, settings.reader_options)
    recordings = [reader.read(path) for path in paths]
    subject_id = names.subject_id or _recorded_subject(reader, paths) or UNKNOWN_SUBJECT
    n_spikes = sum(len(recording.spike_times) for recording in recordings)
    edges = _session_edges(recordings, settings, paths)
    parts = [to_bins(recording, edges) for recording in recordings]
    n_units = sum(len(part.ends) for part in parts)
    n_counted = sum(len(part.bins) for part in parts)
    rows = _count_rows(parts, n_units, edges.n_bins)
    chunk = write_chunk(destination, RowNames(names.source, subject_id, names.session_id), rows)
    return BinnedSession(
        subject_id=subject_id,
        n_units=n_units,
        n_bins=edges.n_bins,
        tokens=n_units * edges.n_bins,
        spikes=n_counted,
        clipped=sum(len(part.crowded_bins) for part in parts),
        left_out=n_spikes - n_counted,
        rows=chunk.rows,
        bytes=chunk.bytes,
        sha256=chunk.sha256,
    )


def _count_rows(
    parts: Sequence[SpikeBins], n_units: int, n_bins: int
) -> Iterator[tuple[Segment, NDArray[np.uint8]]]:
    """Count the session's rows, one at a time."""
    for segment in cut_segments(n_units, n_bins):
        yield segment, count_window(parts, segment.first_bin, segment.stop_bin)


def _session_edges(
    recordings: Sequence[Recording], settings: ReaderSettings, paths: Sequence[Path]
) -> BinEdges:
    """Lay the bins over all files of the session; what forbids it is said with the files' names."""
    files = ", ".join(path.name for path in paths)
    spanned = finite_range(recordings)
    if spanned is None:
        raise RecordingError(f"{files}: there is no spike with a finite time; exclude it in the catalogue")
    try:
        return lay_edges(
            *spanned, bin_size=settings.bin_size, origin=settings.origin, max_hours=settings.max_hours
        )
    except RecordingError as error:
        raise RecordingError(f"{files}: {error}") from error


def _recorded_subject(reader: Reader, paths: Sequence[Path]) -> str | None:
    """Return the subject that the files name; raise where they do not agree."""
    subjects = sorted({subject for path in paths if (subject := reader.subject_id(path))})
    if len(subjects) > 1:
        raise RecordingError(
            f"{', '.join(path.name for path in paths)}: the files of one session name different subjects "
            f"({', '.join(subjects)}); correct `group` in the catalogue"
        )
    return subjects[0] if subjects else None
