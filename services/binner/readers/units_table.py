"""The spike times of an NWB units table: two bulk reads, after every check that needs no data.

The table's other columns (waveforms, amplitudes) are most of a file; nothing here touches them.
"""

from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from services.binner.readers.base import Recording
from services.common.errors import RecordingError

_WAY_OUT = "tell its authors, or exclude it in the catalogue"


def read_units(file: h5py.File) -> Recording:
    """Read the spikes of all rows of the units table.

    Raises `RecordingError` for a missing table or column, for one that lies in another file, and for an
    index that is not a rising list of whole numbers which ends exactly where the spike times end: it would
    give spikes to the wrong units.
    """
    units = _member(file, "units")
    if not isinstance(units, h5py.Group):
        raise RecordingError("the file has no units table, so no spikes; exclude it in the catalogue")
    spike_times = _column(units, "spike_times")
    if spike_times.dtype.kind not in "fiu":
        raise RecordingError(f"the spike_times of the units table are not numbers; {_WAY_OUT}")
    ends = _read_ends(units, len(spike_times))
    return Recording(_read_seconds(spike_times), ends)


def _member(parent: h5py.Group, name: str) -> Any:
    """Return what a group holds under a name, None where it holds nothing.

    What lies in another file is refused: nobody has listed, copied and verified that one.
    """
    found = parent.get(name)
    is_link = isinstance(parent.get(name, getlink=True), h5py.ExternalLink)
    if is_link or (isinstance(found, h5py.Dataset) and _is_kept_elsewhere(found)):
        raise RecordingError(
            f"{name} lies in another file, to which this one only points; "
            "export both into one file with pynwb, or exclude it in the catalogue"
        )
    return found


def _is_kept_elsewhere(dataset: h5py.Dataset) -> bool:
    """Tell whether the values of a dataset are kept in other files; HDF5 reads missing ones as zeros."""
    sources = dataset.virtual_sources() if dataset.is_virtual else ()
    return bool(dataset.external) or any(source.file_name != "." for source in sources)


def _column(units: h5py.Group, name: str) -> h5py.Dataset:
    """Return one column of the units table, a list of values."""
    column = _member(units, name)
    if not isinstance(column, h5py.Dataset):
        raise RecordingError(f"the units table has no {name} column; exclude the file in the catalogue")
    if column.shape is None or len(column.shape) != 1:
        raise RecordingError(
            f"the {name} column of the units table is not a list, its shape is {column.shape}; {_WAY_OUT}"
        )
    return column


def _read_ends(units: h5py.Group, n_spikes: int) -> NDArray[np.int64]:
    """Return where each unit's spikes end, int64 of shape (n_units,)."""
    index = _column(units, "spike_times_index")
    if index.dtype.kind not in "iu":
        raise RecordingError(
            f"the spike_times_index of the units table does not hold whole numbers; {_WAY_OUT}"
        )
    n_rows = len(_column(units, "id")) if "id" in units else len(index)
    if n_rows != len(index):
        raise RecordingError(
            f"the units table has {n_rows} rows, but {len(index)} in spike_times_index; {_WAY_OUT}"
        )
    ends = index[:]
    if ends.size and (ends[0] < 0 or (ends[1:] < ends[:-1]).any()):
        raise RecordingError(f"the spike_times_index of the units table goes down; {_WAY_OUT}")
    last = int(ends[-1]) if ends.size else 0
    if last != n_spikes:
        raise RecordingError(
            f"the spike_times_index of the units table ends at {last:,}, "
            f"but there are {n_spikes:,} spike times, so spikes cannot be given to units; {_WAY_OUT}"
        )
    return np.asarray(ends, np.int64)


def _read_seconds(spike_times: h5py.Dataset) -> NDArray[np.float64]:
    """Read all spike times into one float64 array; HDF5 converts other numbers in small pieces."""
    seconds = np.empty(len(spike_times), dtype=np.float64)
    if seconds.size:
        spike_times.read_direct(seconds)
    return seconds
