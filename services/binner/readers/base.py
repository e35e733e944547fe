"""What every reader takes and returns, and how a library's errors become errors that name the file."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from io import IOBase
from pathlib import Path
from traceback import clear_frames
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from spikemill.services.common.errors import AssetError, RecordingError


class ByteSpan(NamedTuple):
    """A byte range of a file: `length` bytes from `offset` on."""

    offset: int
    length: int

    @property
    def end(self) -> int:
        """The offset of the first byte after it."""
        return self.offset + self.length

    def holds(self, offset: int) -> bool:
        """Tell whether the byte at the offset is one of it."""
        return self.offset <= offset < self.end

    def behind(self, offset: int) -> "ByteSpan":
        """Return the part of it from the offset on, which may be empty."""
        start = min(max(self.offset, offset), self.end)
        return ByteSpan(start, self.end - start)


WAY_OUT = "tell its authors, or exclude it in the catalogue"
"""What a person can do about a file that is whole, but says what cannot be."""


class RecordingFile(Protocol):
    """A file of a session, wherever its bytes lie."""

    @property
    def name(self) -> str:
        """How errors call the file: its path in the archive."""

    @property
    def failure(self) -> BaseException | None:
        """What made a read fail, None where none did; HDF5 may have made another error of it."""

    def opened(self) -> Path | IOBase:
        """Return what `h5py.File` and `scipy.io.loadmat` take: a path, or a binary file that can seek."""

    def expect(self, spans: Sequence[ByteSpan]) -> None:
        """Announce that these bytes are read next, in this order."""


@dataclass(frozen=True, slots=True)
class CopiedFile:
    """A file on this machine's disks; `listed_as` is its path in the archive."""

    path: Path
    listed_as: str | None = None

    @property
    def name(self) -> str:
        """The path in the archive, not that of the copy."""
        return self.listed_as or self.path.name

    @property
    def failure(self) -> None:
        """None: the library raises the disk's errors itself."""

    def opened(self) -> Path:
        """Return the path."""
        return self.path

    def expect(self, spans: Sequence[ByteSpan]) -> None:
        """Do nothing: there is nothing to fetch."""


@dataclass(frozen=True, slots=True)
class SpikeTrains:
    """The spikes of all units of one file, in the order of its units table.

    `spike_times` is float64 seconds, shape (n_spikes,), one unit after the other. `ends` is int64, shape
    (n_units,): where each unit's spikes end. Every spike belongs to a unit. Counting takes the memory of
    `spike_times` over, so a recording is counted once.
    """

    spike_times: NDArray[np.float64]
    ends: NDArray[np.int64]

    @property
    def n_units(self) -> int:
        """The number of rows of the units table, empty units included."""
        return len(self.ends)

    def units_of(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the unit of the spikes at these positions."""
        return self.ends.searchsorted(positions, side="right")


@dataclass(frozen=True, slots=True)
class EstimatedCounts:
    """Counts estimated from a file's firing rates: one sample is one bin.

    `counts` is uint8, units x bins, C order. `start` is where the first bin starts on the file's clock and
    `bin_size` its width, both in seconds. `clipped` cells were below 0 or above 255; `left_out` cells were no
    number and are 0.
    """

    counts: NDArray[np.uint8]
    start: float
    bin_size: float
    clipped: int
    left_out: int

    @property
    def n_units(self) -> int:
        """The number of units, silent ones included."""
        return len(self.counts)

    @property
    def n_bins(self) -> int:
        """The number of samples."""
        return int(self.counts.shape[1])

    @property
    def spikes(self) -> int:
        """The sum of all counts."""
        return int(self.counts.sum(dtype=np.int64))


Recording = SpikeTrains | EstimatedCounts
"""What a reader makes of one file."""


class Reader(Protocol):
    """One file format.

    Both methods raise `RecordingError` or `AssetError`, which name the file, and the file's own `failure`.
    """

    def read(self, file: RecordingFile) -> Recording:
        """Read all units."""

    def subject_id(self, file: RecordingFile) -> str | None:
        """Return the subject that the file names, None where it names none."""


@contextmanager
def reading(file: RecordingFile) -> Iterator[Path | IOBase]:
    """Give the library what it opens; errors of the body are raised with the file's name.

    A read that failed is raised in place of what the library made of it: missing bytes are no damaged file.
    """
    with _failure_first(file), _named(file):
        yield file.opened()


def as_stream(source: Path | IOBase) -> AbstractContextManager[IOBase]:
    """Open a path; an open file is returned as it is and stays open."""
    return source.open("rb") if isinstance(source, Path) else nullcontext(source)


@contextmanager
def _failure_first(file: RecordingFile) -> Iterator[None]:
    """Raise the file's own failure, even where the library swallowed it."""
    try:
        yield
    except Exception as error:
        if file.failure is None:
            raise
        _clear_tracebacks(error)
        _clear_tracebacks(file.failure)
        if file.failure is error:
            raise
        raise file.failure from error
    if file.failure is not None:
        raise file.failure


def _clear_tracebacks(error: BaseException | None) -> None:
    """Clear the finished frames of an error and of those that led to it.

    They hold h5py's access list, which holds the file, and the file holds its failure: a reference cycle
    through C that is never collected and crashes the interpreter at its exit.
    """
    while error is not None:
        clear_frames(error.__traceback__)
        error = error.__context__


@contextmanager
def _named(file: RecordingFile) -> Iterator[None]:
    try:
        yield
    except RecordingError as error:
        raise RecordingError(f"{file.name}: {error}") from error
    except (FileNotFoundError, IsADirectoryError) as error:
        raise AssetError(f"{file.name}: there is no such file; put it back, or exclude it") from error
    except PermissionError as error:
        raise AssetError(f"{file.name}: no permission to read the file; allow it, then retry") from error
