"""Peak memory of binning 300 million spikes, against the bound, and with ten times the bins.

Run: `python -m benchmarks.memory`. It needs 3 GB on the disk of the temporary folder.
"""

import resource
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import h5py
import numpy as np
from pynwb import NWBHDF5IO, NWBFile

from benchmarks.spike_hours import BIN_SIZE
from benchmarks.tables import print_table
from spikemill.services.binner.readers.base import CopiedFile
from spikemill.services.binner.session import ReaderSettings, bin_session
from spikemill.services.common.types import BinnedSession, SessionNames

N_UNITS = 1000
SPIKES_PER_UNIT = 300_000
SECONDS = 3600
MEBIBYTE = 2**20
BASE_BYTES = 400 * MEBIBYTE
BYTES_PER_SPIKE = 10

Result = TypeVar("Result")


def write_recording(path: Path) -> None:
    """Write an NWB file with the spikes of all units, a unit at a time."""
    content = NWBFile("a made-up session", "memory", datetime(2020, 1, 1, tzinfo=UTC))
    content.add_unit(spike_times=[0.5])
    with NWBHDF5IO(path, "w") as io:
        io.write(content)
    random = np.random.default_rng(1)
    with h5py.File(path, "a") as file:
        units = file["units"]
        spike_times = _replace(units, "spike_times", np.float64, N_UNITS * SPIKES_PER_UNIT)
        for unit in range(N_UNITS):
            times = np.sort(random.random(SPIKES_PER_UNIT)) * SECONDS
            spike_times[unit * SPIKES_PER_UNIT : (unit + 1) * SPIKES_PER_UNIT] = times
        index = _replace(units, "spike_times_index", np.uint32, N_UNITS)
        index[:] = np.arange(1, N_UNITS + 1) * SPIKES_PER_UNIT
        index.attrs["target"] = spike_times.ref
        _replace(units, "id", np.int64, N_UNITS)[:] = np.arange(N_UNITS)


def _replace(units: h5py.Group, name: str, dtype: type, length: int) -> h5py.Dataset:
    """Replace a column by a longer one with the same attributes."""
    attributes = dict(units[name].attrs)
    del units[name]
    column = units.create_dataset(name, (length,), dtype)
    column.attrs.update(attributes)
    return column


def bin_and_measure(path: Path, bin_size: float) -> tuple[BinnedSession, int]:
    """Bin the recording; return what came out and the peak memory of this process, in bytes."""
    settings = ReaderSettings("nwb-units", bin_size=bin_size)
    names = SessionNames("made-up", None, "memory")
    binned = bin_session([CopiedFile(path)], settings, names, path.with_suffix(".parquet"))
    return binned, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def in_own_process(call: Callable[..., Result], *arguments: object) -> Result:
    """Run a function in a fresh interpreter, whose peak memory is its own."""
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as process:
        return process.submit(call, *arguments).result()


def main() -> None:
    """Print the peak for 20 ms bins and for 2 ms bins; reading the subject through pynwb is part of it."""
    rows, peaks = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording.nwb"
        in_own_process(write_recording, path)
        for bin_size in (BIN_SIZE, BIN_SIZE / 10):
            binned, peak = in_own_process(bin_and_measure, path, bin_size)
            bound = BASE_BYTES + BYTES_PER_SPIKE * binned.spikes
            peaks.append(peak)
            figures = (peak / MEBIBYTE, bound / MEBIBYTE, 100 * (peak / peaks[0] - 1))
            rows.append(
                [f"{bin_size * 1000:g} ms", f"{binned.tokens / 1e6:,.0f}", *(f"{f:,.1f}" for f in figures)]
            )
    print_table(
        f"Binning {N_UNITS * SPIKES_PER_UNIT / 1e6:.0f} M spikes of {N_UNITS} units, the whole process",
        ["bins", "M tokens", "peak MiB", "bound MiB", "% above the first"],
        rows,
    )


if __name__ == "__main__":
    main()
