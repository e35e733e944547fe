"""What every reader gives: the spike times of one file, as two flat arrays."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Recording:
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


class Reader(Protocol):
    """One file format; both methods raise `RecordingError` or `AssetError`, which name the file."""

    def read(self, path: Path) -> Recording:
        """Read the spikes of all units."""

    def subject_id(self, path: Path) -> str | None:
        """Return who the file says was recorded, None where it does not say."""
