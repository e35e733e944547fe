"""NWB files made for the tests of the binner."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import ArrayLike
from pynwb import NWBHDF5IO, NWBFile
from pynwb.file import Subject

WriteUnits = Callable[..., Path]
WriteNwb = Callable[..., Path]


@pytest.fixture
def write_units(tmp_path: Path) -> WriteUnits:
    """Write a file that holds a units table and nothing that pynwb asks for."""

    def write(
        spike_times: ArrayLike, index: ArrayLike, name: str = "recording.nwb", rows: int | None = None
    ) -> Path:
        path = tmp_path / name
        with h5py.File(path, "w") as file:
            file.attrs["nwb_version"] = "2.6.0"
            units = file.create_group("units")
            units["spike_times"] = spike_times
            units["spike_times_index"] = index
            if rows is not None:
                units["id"] = np.arange(rows)
        return path

    return write


@pytest.fixture
def write_nwb(tmp_path: Path) -> WriteNwb:
    """Write a whole NWB file with pynwb."""

    def write(units: Sequence[ArrayLike], name: str = "recording.nwb", subject: str | None = None) -> Path:
        path = tmp_path / name
        content = NWBFile("a made-up session", name, datetime(2020, 1, 1, tzinfo=UTC))
        if subject is not None:
            content.subject = Subject(subject_id=subject, species="Mus musculus", age="P90D", sex="U")
        for spike_times in units:
            content.add_unit(spike_times=np.asarray(spike_times, np.float64))
        with NWBHDF5IO(path, "w") as io:
            io.write(content)
        return path

    return write
