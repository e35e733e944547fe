"""Dynamic tables in made-up NWB files, in any of the ways that real ones store their columns.

A column lies in one piece, or in deflated chunks of so many values.
"""

from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from spikemill.services.cli.made_up import DESCRIPTION, declare

_COMMON = "hdmf-common"


def create_table(file: h5py.File, place: str, ids: NDArray[np.integer], columns: Sequence[str]) -> h5py.Group:
    """Create a table that has these columns, which are added one by one; `units` is a table of units."""
    table = file.create_group(place)
    names = np.array(columns, dtype=h5py.string_dtype())
    kind, namespace = ("Units", "core") if place.endswith("units") else ("DynamicTable", _COMMON)
    declare(table, kind, namespace, description=DESCRIPTION, colnames=names)
    declare(table.create_dataset("id", data=ids), "ElementIdentifiers", _COMMON)
    return table


def add_column(
    table: h5py.Group, name: str, values: NDArray[Any], *, chunk: int | None = None
) -> h5py.Dataset:
    """Add a column and return it."""
    column = _create(table, name, values, chunk)
    declare(column, "VectorData", _COMMON, description=name)
    return column


def add_ragged(
    table: h5py.Group,
    name: str,
    values: NDArray[Any],
    ends: NDArray[np.integer],
    *,
    chunk: int | None = None,
) -> None:
    """Add a column with any number of values per row, and its index: where each row's values end."""
    column = add_column(table, name, values, chunk=chunk)
    index = _create(table, f"{name}_index", ends, chunk)
    declare(index, "VectorIndex", _COMMON, description=f"ends of {name}", target=column.ref)


def _create(table: h5py.Group, name: str, values: NDArray[Any], chunk: int | None) -> h5py.Dataset:
    dtype = h5py.string_dtype() if values.dtype.kind == "U" else values.dtype
    if chunk is None:
        return table.create_dataset(name, data=values.astype(dtype))
    length = min(chunk, len(values))
    return table.create_dataset(
        name, data=values.astype(dtype), chunks=(length, *values.shape[1:]), compression="gzip"
    )
