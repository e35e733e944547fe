"""NWB files laid out as the large public ones are, of any size.

What differs between archives' files decides what reading a part of them costs: where the spike times lie,
whether they are packed, and what stands between them. pynwb writes the files, and h5py the units' columns
once more: the real ones are of older versions, which neither cut columns into chunks nor shortened indices.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from hdmf.common import VectorData, VectorIndex
from numpy.typing import NDArray
from pynwb import NWBHDF5IO, NWBFile, TimeSeries
from pynwb.file import Subject
from pynwb.misc import Units

from benchmarks.spike_hours import PUBLISHED_HZ, make_hour
from spikemill.services.binner.readers.base import SpikeTrains

PROBES = 6
SITES_PER_PROBE = 60
ELECTRODE_COLUMNS = 12
WAVEFORM_SAMPLES = 82
QUALITY_COLUMNS = (
    *(
        "PT_ratio",
        "amplitude",
        "amplitude_cutoff",
        "cluster_id",
        "cumulative_drift",
        "d_prime",
        "firing_rate",
    ),
    *("isi_violations", "isolation_distance", "l_ratio", "local_index", "max_drift", "nn_hit_rate"),
    *("nn_miss_rate", "peak_channel_id", "presence_ratio", "recovery_slope", "repolarization_slope"),
    *("silhouette_score", "snr", "spread", "velocity_above", "velocity_below", "waveform_duration"),
    "waveform_halfwidth",
)
IBL_CHUNK = 1_250_000
DRIFT, OFFSET = 1.0000123, 0.0345
RAGGED_OF_IBL = ("spike_times", "spike_amplitudes_uv", "spike_relative_depths_um")
RAGGED_OF_VCN = ("spike_times", "spike_amplitudes", "waveform_mean")


def write_vcn_like(path: Path, n_units: int, seconds: int = 3600) -> None:
    """Write a session as the Allen's visual coding files are: 33 columns, contiguous, nothing packed.

    Amplitudes take as much as the spike times, and waveforms two thirds of that. An hour of 100 units makes
    40 MB.
    """
    hour = make_hour(PUBLISHED_HZ, n_units, seconds)
    _write_session(path, n_units, RAGGED_OF_VCN, QUALITY_COLUMNS)
    waveforms = _waveforms(hour)
    waveform_ends = np.arange(1, n_units + 1) * (len(waveforms) // n_units)
    values = (hour.spike_times, _noise(len(hour.spike_times)), waveforms)
    with h5py.File(path, "a") as file:
        units = file["units"]
        for name in QUALITY_COLUMNS:
            _replace(units, name, data=_noise(n_units))
        for name, column, ends in zip(
            RAGGED_OF_VCN, values, (hour.ends, hour.ends, waveform_ends), strict=True
        ):
            _replace(units, name, data=column)
            _replace_index(units, name, ends.astype(np.int64))


def write_ibl_like(path: Path, n_units: int) -> None:
    """Write one hour as the International Brain Laboratory's are: deflated in chunks of 10 MB, interleaved.

    Three values of each spike lie side by side, chunk by chunk. The times are those of a probe's clock that
    was aligned with another one, so every bit of them is used. 200 units make 75 MB.
    """
    hour = make_hour(PUBLISHED_HZ, n_units)
    aligned = hour.spike_times * DRIFT + OFFSET
    _write_session(path, n_units, RAGGED_OF_IBL)
    n_spikes = len(hour.spike_times)
    values = (aligned, _noise(n_spikes), _noise(n_spikes))
    with h5py.File(path, "a") as file:
        units = file["units"]
        packed = {"shape": (n_spikes,), "dtype": np.float64, "chunks": (IBL_CHUNK,), "compression": "gzip"}
        columns = [_replace(units, name, **packed) for name in RAGGED_OF_IBL]
        for start in range(0, n_spikes, IBL_CHUNK):
            for column, written in zip(columns, values, strict=True):
                column[start : start + IBL_CHUNK] = written[start : start + IBL_CHUNK]
        for name in RAGGED_OF_IBL:
            _replace_index(units, name, hour.ends.astype(np.uint32))


def write_small(path: Path, seconds: int = 600) -> None:
    """Write a few units, as a lab's file of one tetrode is; ten minutes make 0.6 MB, half of it spikes."""
    hour = make_hour(PUBLISHED_HZ, n_units=15, seconds=seconds)
    _write_session(path, hour.n_units, ("spike_times",))
    with h5py.File(path, "a") as file:
        _replace(file["units"], "spike_times", data=hour.spike_times)
        narrowest = np.min_scalar_type(len(hour.spike_times))
        _replace_index(file["units"], "spike_times", hour.ends.astype(narrowest))


def spike_bytes(path: Path) -> int:
    """Return how many bytes the spike times and their index take in a file, packed as they are."""
    with h5py.File(path) as file:
        names = ("spike_times", "spike_times_index")
        return sum(file["units"][name].id.get_storage_size() for name in names)


def _write_session(path: Path, n_units: int, ragged: Sequence[str], per_unit: Sequence[str] = ()) -> None:
    """Write a whole session, in whose units table these columns stand and are still to be filled."""
    content = NWBFile("a made-up session", path.stem, datetime(2020, 1, 1, tzinfo=UTC))
    content.subject = Subject(subject_id="made-up", species="Mus musculus", age="P90D", sex="U")
    _add_electrodes(content)
    _add_behaviour(content)
    columns = [VectorData(name=name, description="made up", data=np.zeros(n_units)) for name in per_unit]
    columns += [column for name in ragged for column in _ragged(name, n_units)]
    content.units = Units(name="units", description="made up", columns=columns, id=np.arange(n_units))
    with NWBHDF5IO(path, "w") as io:
        io.write(content, cache_spec=False)


def _ragged(name: str, n_units: int) -> tuple[VectorData, VectorIndex]:
    shape = (1, WAVEFORM_SAMPLES) if name == "waveform_mean" else (1,)
    values = VectorData(name=name, description="made up", data=np.zeros(shape))
    index = VectorIndex(name=f"{name}_index", target=values, data=np.ones(n_units, np.uint8))
    return values, index


def _add_electrodes(content: NWBFile) -> None:
    """Add the sites of all probes, with many columns."""
    device = content.create_device("rig")
    for number in range(ELECTRODE_COLUMNS):
        content.add_electrode_column(f"measure_{number}", "made up")
    measures = {f"measure_{number}": float(number) for number in range(ELECTRODE_COLUMNS)}
    for probe in range(PROBES):
        group = content.create_electrode_group(f"probe{probe}", "made up", "cortex", device)
        for _ in range(SITES_PER_PROBE):
            content.add_electrode(location="VISp", group=group, **measures)


def _add_behaviour(content: NWBFile) -> None:
    """Add what the animal saw and did: a table of stimuli, and signals."""
    for onset in np.arange(0, 120, 0.25):
        content.add_trial(start_time=onset, stop_time=onset + 0.25)
    behaviour = content.create_processing_module("behaviour", "made up")
    for name in ("speed", "wheel", "pupil"):
        behaviour.add(TimeSeries(name=name, data=_noise(3600), unit="m", rate=1.0))


def _waveforms(hour: SpikeTrains) -> NDArray[np.float64]:
    """Return the mean waveforms of all units at several sites each, two thirds as long as the spike times."""
    sites = max(1, 2 * len(hour.spike_times) // (3 * hour.n_units * WAVEFORM_SAMPLES))
    return _noise(hour.n_units * sites * WAVEFORM_SAMPLES).reshape(-1, WAVEFORM_SAMPLES)


def _noise(count: int) -> NDArray[np.float64]:
    return np.random.default_rng(count).random(count)


def _replace(units: h5py.Group, name: str, **form: Any) -> h5py.Dataset:
    """Replace a column by one of another length and form, with the same attributes."""
    attributes = dict(units[name].attrs)
    del units[name]
    column = units.create_dataset(name, **form)
    column.attrs.update(attributes)
    return column


def _replace_index(units: h5py.Group, name: str, ends: NDArray[np.integer]) -> None:
    """Say where each unit's values end, after the column itself was replaced."""
    index = _replace(units, f"{name}_index", data=ends)
    index.attrs["target"] = units[name].ref
