"""What every reader takes and gives: a recording's file, and its spikes or what was estimated of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import IOBase
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.common.ranges.spans import ByteSpan

Expect = Callable[[Sequence[ByteSpan]], None]
"""Takes the announcement that these bytes are read next, in this order."""


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
        """The path in the archive: what a copy happens to be called tells nobody anything."""
        return self.listed_as or self.path.name

    @property
    def failure(self) -> None:
        """None: what a disk refuses, the library that reads says itself."""

    def opened(self) -> Path:
        """Return where the file lies."""
        return self.path

    def expect(self, spans: Sequence[ByteSpan]) -> None:
        """Do nothing: a disk needs no warning."""


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
        """Return the unit of the spikes that stand at these positions."""
        return self.ends.searchsorted(positions, side="right")


@dataclass(frozen=True, slots=True)
class EstimatedCounts:
    """Counts that a file does not hold spikes for, but rates: one sample is one bin.

    `counts` is uint8, units x bins, C order. `start` is where the first bin starts on the file's clock and
    `bin_size` how long one is, both in seconds. `clipped` cells lay below 0 or above 255 and are kept there;
    `left_out` cells were no number and are 0.
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
        """Return who the file says was recorded, None where it does not say."""
