"""What the made-up files hold: a units table, a continuous signal, or both."""

from dataclasses import dataclass

import h5py
import numpy as np
from numpy.typing import NDArray

from services.demo.recordings.nwb_file import DESCRIPTION, declare

_COMMON = "hdmf-common"


@dataclass(frozen=True, slots=True)
class RaggedColumn:
    """A column with any number of values per unit: all values in one array, and where each unit's end."""

    name: str
    description: str
    values: NDArray[np.generic]
    ends: NDArray[np.integer]


def write_units(file: h5py.File, n_units: int, columns: list[RaggedColumn]) -> None:
    """Add a units table of `n_units` rows."""
    table = file.create_group("units")
    names = np.array([column.name for column in columns], dtype=h5py.string_dtype())
    declare(table, "Units", description=DESCRIPTION, colnames=names)
    ids = table.create_dataset("id", data=np.arange(n_units, dtype="<i4"))
    declare(ids, "ElementIdentifiers", _COMMON)
    for column in columns:
        _write_column(table, column)


def _write_column(table: h5py.Group, column: RaggedColumn) -> None:
    """Add a ragged column: its values, and the index that says where each unit's values end."""
    values = table.create_dataset(column.name, data=column.values)
    declare(values, "VectorData", _COMMON, description=column.description)
    index = table.create_dataset(f"{column.name}_index", data=column.ends)
    declare(index, "VectorIndex", _COMMON, description=f"ends of {column.name}", target=values.ref)


def write_signal(file: h5py.File, signal: NDArray[np.int16], rate: float) -> None:
    """Add a continuous signal, samples x channels, as the LFP files beside real sessions hold one."""
    series = file.create_group("acquisition/signal")
    declare(series, "TimeSeries", description=DESCRIPTION, comments="no comments")
    data = series.create_dataset("data", data=signal)
    for name, value in {"conversion": 1e-6, "offset": 0.0, "resolution": -1.0, "unit": "volts"}.items():
        data.attrs[name] = value
    start = series.create_dataset("starting_time", data=np.float64(0))
    start.attrs["rate"] = np.float32(rate)
    start.attrs["unit"] = "seconds"
