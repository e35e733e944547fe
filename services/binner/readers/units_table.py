"""The spike times of an NWB units table: two bulk reads, after every check that needs no data.

The table's other columns (waveforms, amplitudes) are most of a file; nothing here touches them.
"""

import h5py
import numpy as np
from numpy.typing import NDArray

from services.binner.readers.base import Expect, SpikeTrains
from services.binner.readers.dataset_spans import byte_spans
from services.binner.readers.hdf5_members import find_group, member
from services.binner.readers.reading import WAY_OUT
from services.common.errors import RecordingError


def read_units(file: h5py.File, table: str, expect: Expect) -> SpikeTrains:
    """Read the spikes of all rows of the units table at a path; the bulk reads are announced to `expect`.

    Raises `RecordingError` for a missing table or column, for one that lies in another file, and for an
    index that is not a rising list of whole numbers which ends exactly where the spike times end: it would
    give spikes to the wrong units.
    """
    units = _find_table(file, table)
    spike_times = _column(units, "spike_times")
    if spike_times.dtype.kind not in "fiu":
        raise RecordingError(f"the spike_times of the units table are not numbers; {WAY_OUT}")
    index = _index(units)
    for column in (index, spike_times):
        expect(byte_spans(column))
    ends = _read_ends(index, len(spike_times))
    return SpikeTrains(_read_seconds(spike_times), ends)


def _find_table(file: h5py.File, path: str) -> h5py.Group:
    """Return the table, seen to hold spike times."""
    table = find_group(file, path)
    if table is None:
        what = "units table" if path == "units" else f"table at {path}"
        raise RecordingError(f"the file has no {what}, so no spikes{_found_elsewhere(file)}")
    if "spike_times" not in table:
        raise RecordingError(f"the units table has no spike_times column{_found_elsewhere(file)}")
    return table


def _found_elsewhere(file: h5py.File) -> str:
    """Say which tables of the file hold spike times, and what can be done."""
    tables = _tables_with_spikes(file)
    if not tables:
        return "; exclude the file in the catalogue"
    return (
        f"; there are some in {' and in '.join(tables)}: name the table in the catalogue, "
        f'reader_options = {{ table = "{tables[0]}" }}, or exclude the file'
    )


def _tables_with_spikes(file: h5py.File) -> list[str]:
    """Return the paths of all groups with a column of spike times."""
    found: list[str] = []
    file.visit(lambda name: found.append(name) if name.endswith("/spike_times") else None)
    return [name.removesuffix("/spike_times") for name in found]


def _column(units: h5py.Group, name: str) -> h5py.Dataset:
    """Return one column of the units table, a list of values."""
    column = member(units, name)
    if not isinstance(column, h5py.Dataset):
        raise RecordingError(f"the units table has no {name} column; exclude the file in the catalogue")
    if column.shape is None or len(column.shape) != 1:
        raise RecordingError(
            f"the {name} column of the units table is not a list, its shape is {column.shape}; {WAY_OUT}"
        )
    return column


def _index(units: h5py.Group) -> h5py.Dataset:
    """Return the column that says where each unit's spikes end."""
    index = _column(units, "spike_times_index")
    if index.dtype.kind not in "iu":
        raise RecordingError(
            f"the spike_times_index of the units table does not hold whole numbers; {WAY_OUT}"
        )
    n_rows = len(_column(units, "id")) if "id" in units else len(index)
    if n_rows != len(index):
        raise RecordingError(
            f"the units table has {n_rows} rows, but {len(index)} in spike_times_index; {WAY_OUT}"
        )
    return index


def _read_ends(index: h5py.Dataset, n_spikes: int) -> NDArray[np.int64]:
    """Return where each unit's spikes end, int64 of shape (n_units,)."""
    ends = index[:]
    if ends.size and (ends[0] < 0 or (ends[1:] < ends[:-1]).any()):
        raise RecordingError(f"the spike_times_index of the units table goes down; {WAY_OUT}")
    last = int(ends[-1]) if ends.size else 0
    if last != n_spikes:
        raise RecordingError(
            f"the spike_times_index of the units table ends at {last:,}, "
            f"but there are {n_spikes:,} spike times, so spikes cannot be given to units; {WAY_OUT}"
        )
    return np.asarray(ends, np.int64)


def _read_seconds(spike_times: h5py.Dataset) -> NDArray[np.float64]:
    """Read all spike times into one float64 array; HDF5 converts other numbers in small pieces."""
    seconds = np.empty(len(spike_times), dtype=np.float64)
    # A signal that comes while HDF5 reads raises its error in the next Python code that runs. After
    # `read_direct` that is a callback for a type that h5py made and forgot, and its errors are dropped.
    in_memory = h5py.h5t.py_create(seconds.dtype)
    if seconds.size:
        spike_times.id.read(h5py.h5s.ALL, h5py.h5s.ALL, seconds, in_memory)
    return seconds
