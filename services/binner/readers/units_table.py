"""The spike times of an NWB units table: two bulk reads, after every check that needs no data.

The table's other columns (waveforms, amplitudes) are most of a file; nothing here touches them.
"""

import h5py
import numpy as np
from numpy.typing import NDArray

from services.binner.readers.base import Recording
from services.common.errors import RecordingError


def read_units(file: h5py.File) -> Recording:
    """Read the spikes of all rows of the units table.

    Raises `RecordingError` for a missing table or column, and for an index that is not a rising list of
    whole numbers which ends exactly where the spike times end: it would give spikes to the wrong units.
    """
    units = file.get("units")
    if not isinstance(units, h5py.Group):
        raise RecordingError("the file has no units table, so no spikes; exclude it in the catalogue")
    spike_times = _column(units, "spike_times")
    if spike_times.dtype.kind not in "fiu":
        raise RecordingError("the spike_times of the units table are not numbers")
    ends = _read_ends(units, len(spike_times))
    return Recording(_read_seconds(spike_times), ends)


def _column(units: h5py.Group, name: str) -> h5py.Dataset:
    """Return one column of the units table, a list of values."""
    column = units.get(name)
    if not isinstance(column, h5py.Dataset):
        raise RecordingError(f"the units table has no {name} column; exclude the file in the catalogue")
    if column.shape is None or len(column.shape) != 1:
        raise RecordingError(
            f"the {name} column of the units table is not a list, its shape is {column.shape}"
        )
    return column


def _read_ends(units: h5py.Group, n_spikes: int) -> NDArray[np.int64]:
    """Return where each unit's spikes end, int64 of shape (n_units,)."""
    index = _column(units, "spike_times_index")
    if index.dtype.kind not in "iu":
        raise RecordingError("the spike_times_index of the units table does not hold whole numbers")
    n_rows = len(units["id"]) if "id" in units else len(index)
    if n_rows != len(index):
        raise RecordingError(f"the units table has {n_rows} rows, but {len(index)} in spike_times_index")
    ends = index[:]
    if ends.size and (ends[0] < 0 or (ends[1:] < ends[:-1]).any()):
        raise RecordingError("the spike_times_index of the units table goes down; it may only rise")
    last = int(ends[-1]) if ends.size else 0
    if last != n_spikes:
        raise RecordingError(
            f"the spike_times_index of the units table ends at {last:,}, "
            f"but there are {n_spikes:,} spike times, so spikes cannot be given to units"
        )
    return ends.astype(np.int64)  # type: ignore[no-any-return]  # h5py has no types


def _read_seconds(spike_times: h5py.Dataset) -> NDArray[np.float64]:
    """Read all spike times into one float64 array; HDF5 converts other numbers in small pieces."""
    seconds = np.empty(len(spike_times), dtype=np.float64)
    if seconds.size:
        spike_times.read_direct(seconds)
    return seconds
