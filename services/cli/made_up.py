"""The demo's made-up recordings: NWB 2 files whose bytes are the same on every machine."""

import hashlib
import shutil
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import astuple, dataclass
from decimal import Decimal
from functools import cache
from math import isqrt
from pathlib import Path

import h5py
import numpy as np
from numpy.random import PCG64
from numpy.typing import NDArray

from spikemill.services.common.files import resource_folder, writing, written_aside
from spikemill.services.common.types import canonical_json, digest

_RECIPE = 1
"""Raised whenever equal recordings would come out with other bytes than before."""
SAMPLE_RATE = 30_000
_ADVANCE = 2 * SAMPLE_RATE
SIGNAL_RATE = 1250
"""Samples per second of the continuous signal."""
DESCRIPTION = "Made up by spikemill for its demo: these data mean nothing."
SPECIES = {"mouse": "Mus musculus", "rat": "Rattus norvegicus"}
_START = "2024-01-05T09:00:00+00:00"
_SCHEMA_VERSION = "2.7.0"
_GROUPS = ("acquisition", "analysis", "general", "processing", "stimulus/presentation", "stimulus/templates")
_COMMON = "hdmf-common"
Samples = NDArray[np.int64]
REFRACTORY = 60
"""Samples after a spike in which the unit is silent (2 ms)."""
# Quantiles of a log-normal law with mean 5 Hz, in spikes per 1,000 s.
_RATES = (339, 630, 895, 1168, 1463, 1790, 2160, 2589, 3096, 3710, 4478, 5479, 6860, 8953, 12720, 23669)
_MEAN_WAITS = np.array([SAMPLE_RATE * 1000 // rate for rate in _RATES], dtype=np.int64)
# The population speeds up and slows down together: each half second of the drive takes one of these times.
_DRIVE_STEP = 15_000
_STEP_LENGTHS = np.array([7_500, 9_000, 12_000, 12_000, 15_000, 18_000, 22_500, 24_000], dtype=np.int64)
_FRACTION_BITS = 16
_QUANTILE_BITS = 12
_NAMESPACE = uuid.UUID("7c1f6f3e-0d53-5a0e-9a4c-2f5b8d1e6a70")


@dataclass(frozen=True, slots=True)
class Recording:
    """What one made-up file holds; equal values give equal bytes.

    `probe` tells apart the files of one session, whose units share one drive and one clock, which starts at
    `clock_start` (seconds). `silent`, `unsorted` and `early` name the unit that has no spikes, unordered
    ones, or some before time zero. Without units there is no units table; with channels, a continuous
    signal.
    """

    subject_id: str
    session: str
    units: int
    seconds: int
    species: str = "mouse"
    probe: str = ""
    index_type: str = "uint32"
    clock_start: int = 0
    silent: int | None = None
    unsorted: int | None = None
    early: int | None = None
    amplitudes: bool = False
    obs_intervals: bool = False
    channels: int = 0

    @property
    def name(self) -> str:
        """Whose session this is, as file names say it."""
        return f"sub-{self.subject_id}_ses-{self.session}"

    @property
    def key(self) -> list[str]:
        """All that decides the recording, as texts."""
        return [str(value) for value in astuple(self)]


VISUAL = (
    Recording("410001", "2101", units=520, seconds=600, silent=17),
    Recording("410002", "2102", units=250, seconds=360, index_type="int64", unsorted=3, amplitudes=True),
    Recording("410003", "2103", units=180, seconds=300, obs_intervals=True, early=0),
    Recording("410004", "2104", units=150, seconds=300, index_type="int32", clock_start=120),
)
"""A file per session; the last one's clock starts two minutes late."""
VISUAL_DRAFT = Recording("410005", "2105", units=12, seconds=60, index_type="uint16")
"""A session that has not been published."""
PROBES = (
    Recording("A", "day1", units=220, seconds=600, species="rat", probe="A"),
    Recording("A", "day1", units=200, seconds=590, species="rat", probe="B", index_type="int64"),
    Recording("A", "day2", units=170, seconds=400, species="rat", probe="A"),
    Recording("B", "day1", units=90, seconds=400, species="rat", probe="A"),
    Recording("B", "day1", units=100, seconds=400, species="rat", probe="B", silent=99),
)
"""A file per probe: two of the three sessions have two."""
DEPOSIT = (
    Recording("m1", "a", units=240, seconds=900, unsorted=5),
    Recording("m1", "b", units=30, seconds=300, index_type="uint16"),
    Recording("m2", "a", units=75, seconds=300),
    Recording("m2", "b", units=60, seconds=300, index_type="int32", amplitudes=True),
    Recording("m3", "a", units=110, seconds=300, clock_start=60),
    Recording("m4", "a", units=25, seconds=300, index_type="uint16", silent=0),
)
"""A file per session."""


def recordings_folder(folder: Path) -> Path:
    """Make the demo's recordings, a folder for each source, and beside them the catalogue that is returned.

    What stands there is kept. Raises `StoreError` where something cannot be written.
    """
    sources = {"visual": VISUAL, "probes": PROBES, "deposit": DEPOSIT}
    place = folder / digest([_RECIPE, h5py.__version__])[:12]
    for source, recordings in sources.items():
        for recording in recordings:
            probe = f"_probe-{recording.probe}" if recording.probe else ""
            name = f"{recording.name}{probe}.nwb"
            _write_once(recording, place / source / f"sub-{recording.subject_id}" / name)
    catalogue = place / "demo.toml"
    with _writing("catalogue", catalogue):
        shutil.copyfile(resource_folder("catalog") / "demo-folder.toml", catalogue)
    return catalogue


def recording_file(recording: Recording, folder: Path) -> Path:
    """Return the file of a recording in the folder, made if it is not there.

    A file that stands there is whole. Raises `StoreError` where it cannot be written.
    """
    path = folder / _file_name(recording)
    _write_once(recording, path)
    return path


def _write_once(recording: Recording, path: Path) -> None:
    if path.exists():
        return
    with _writing("recording", path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_aside(path) as aside:
            write_recording(recording, aside)


def _writing(what: str, path: Path) -> AbstractContextManager[None]:
    return writing(path, needs=f"for a made-up {what}", remedy="or choose another folder")


def write_recording(recording: Recording, path: Path) -> None:
    """Write the recording as an NWB file."""
    identifier = "/".join((recording.name, recording.probe, str(recording.channels)))
    with nwb_file(path, identifier) as file:
        write_subject(file, recording.subject_id, recording.species)
        if recording.units:
            write_units(file, recording.units, units_columns(recording))
        if recording.channels:
            write_signal(file, signal(recording), SIGNAL_RATE)


def _file_name(recording: Recording) -> str:
    """Return a name that changes with everything that decides the bytes."""
    return f"{recording.name}_{digest([_RECIPE, h5py.__version__, recording.key])[:20]}.nwb"


def spike_samples(recording: Recording) -> list[Samples]:
    """Return each unit's spikes, in samples of the recording's clock, in the order of the file."""
    stream = random_stream(f"{recording.name}/{recording.probe}/units")
    duration = recording.seconds * SAMPLE_RATE
    drive = shared_drive(random_stream(f"{recording.name}/drive"), duration)
    trains = [spike_train(stream, drive, duration) for _ in range(recording.units)]
    _make_odd(trains, recording)
    return [train + recording.clock_start * SAMPLE_RATE for train in trains]


def _make_odd(trains: list[Samples], recording: Recording) -> None:
    """Silence, unsort and advance the units that the recording names."""
    if recording.silent is not None:
        trains[recording.silent] = trains[recording.silent][:0]
    if recording.unsorted is not None:
        late_half_first = np.roll(trains[recording.unsorted], len(trains[recording.unsorted]) // 2)
        trains[recording.unsorted] = late_half_first
    if recording.early is not None:
        trains[recording.early] = trains[recording.early] - _ADVANCE


@dataclass(frozen=True, slots=True)
class RaggedColumn:
    """A column with any number of values per unit: all values in one array, and where each unit's end."""

    name: str
    description: str
    values: NDArray[np.generic]
    ends: NDArray[np.integer]


def units_columns(recording: Recording) -> list[RaggedColumn]:
    """Return the spike times, and what else the recording keeps for each unit."""
    trains = spike_samples(recording)
    ends = _index([len(train) for train in trains], recording.index_type)
    times = np.concatenate(trains) / SAMPLE_RATE
    columns = [RaggedColumn("spike_times", "in seconds", times, ends)]
    if recording.amplitudes:
        columns.append(RaggedColumn("spike_amplitudes", "in volts", _amplitudes(recording, len(times)), ends))
    if recording.obs_intervals:
        columns.append(_obs_intervals(recording))
    return columns


def signal(recording: Recording) -> NDArray[np.int16]:
    """Return two seconds of noise, samples x channels."""
    shape = (2 * SIGNAL_RATE, recording.channels)
    stream = random_stream(f"{recording.name}/{recording.probe}/signal")
    noise = random_integers(stream, shape[0] * shape[1], 10) - 512
    return noise.astype(np.int16).reshape(shape)


def _index(lengths: list[int], index_type: str) -> NDArray[np.integer]:
    """Return where each unit's values end; raises ValueError where the type is too small."""
    ends = np.cumsum(lengths, dtype=np.int64)
    if ends[-1] > np.iinfo(index_type).max:
        raise ValueError(f"{ends[-1]} values cannot be indexed with {index_type}; choose a wider index_type")
    return ends.astype(index_type)


def _amplitudes(recording: Recording, count: int) -> NDArray[np.float64]:
    """Draw an amplitude between 31 and 274 microvolts for each spike."""
    steps = random_integers(random_stream(f"{recording.name}/amplitudes"), count, 8)
    return (steps + 32) / (1 << 20)


def _obs_intervals(recording: Recording) -> RaggedColumn:
    """Say that each unit was observed in both halves of the recording, but not for a second between them."""
    half = recording.seconds / 2
    intervals = np.array([[0.0, half - 1], [half, float(recording.seconds)]]) + recording.clock_start
    ends = _index([2] * recording.units, recording.index_type)
    return RaggedColumn("obs_intervals", "in seconds", np.tile(intervals, (recording.units, 1)), ends)


@contextmanager
def nwb_file(path: Path, identifier: str) -> Iterator[h5py.File]:
    """Create a file with what the format asks of every session, and close it at the end."""
    with h5py.File(path, "w", libver=("earliest", "v110")) as file:
        write_text(file, "identifier", identifier)
        write_text(file, "session_description", DESCRIPTION)
        write_text(file, "session_start_time", _START)
        write_text(file, "timestamps_reference_time", _START)
        file.create_dataset("file_create_date", data=[_START], dtype=h5py.string_dtype())
        for group in _GROUPS:
            file.create_group(group)
        declare(file, "NWBFile", nwb_version=_SCHEMA_VERSION)
        yield file


def write_subject(file: h5py.File, subject_id: str, species: str) -> None:
    """Say whose recording this is; `species` is a key of `SPECIES`."""
    subject = file.create_group("general/subject")
    declare(subject, "Subject")
    write_text(subject, "age", "P90D")
    write_text(subject, "sex", "U")
    write_text(subject, "species", SPECIES[species])
    write_text(subject, "subject_id", subject_id)


def write_text(parent: h5py.Group, name: str, text: str) -> None:
    """Add a scalar text."""
    parent.create_dataset(name, data=text, dtype=h5py.string_dtype())


def declare(item: h5py.HLObject, neurodata_type: str, namespace: str = "core", **attributes: object) -> None:
    """Declare what an object of the file is, under an id made from the file's identifier and its place."""
    identifier = item.file["identifier"].asstr()[()]
    item.attrs["namespace"] = namespace
    item.attrs["neurodata_type"] = neurodata_type
    item.attrs["object_id"] = fixed_uuid(identifier, item.name)
    for name, value in attributes.items():
        item.attrs[name] = value


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


def random_stream(name: str) -> PCG64:
    """Return the bit stream that belongs to a name."""
    return PCG64(int.from_bytes(hashlib.sha256(name.encode()).digest(), "big"))


def random_integers(stream: PCG64, count: int, bits: int) -> Samples:
    """Draw `count` integers in [0, 2**bits)."""
    return (stream.random_raw(count) >> np.uint64(64 - bits)).astype(np.int64)


def shared_drive(stream: PCG64, duration: int) -> Samples:
    """Draw when each half second of the population's drive begins, in samples, up to past the end."""
    steps = duration // int(_STEP_LENGTHS.min()) + 1
    lengths = _STEP_LENGTHS[random_integers(stream, steps, 3)]
    starts = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])
    return starts[: int(np.searchsorted(starts, duration)) + 1]


def spike_train(stream: PCG64, drive: Samples, duration: int) -> Samples:
    """Draw one unit's spikes below `duration`, ascending: exponential waits after a refractory time."""
    mean_wait = int(_MEAN_WAITS[random_integers(stream, 1, 4)[0]])
    drive_length = (len(drive) - 1) * _DRIVE_STEP
    expected = drive_length // mean_wait
    quantiles = random_integers(stream, expected + 5 * isqrt(expected) + 10, _QUANTILE_BITS)
    waits = REFRACTORY + ((mean_wait - REFRACTORY) * _exponential()[quantiles] >> _FRACTION_BITS)
    spikes = np.cumsum(waits)
    warped = _follow(drive, spikes[spikes < drive_length])
    return warped[: np.searchsorted(warped, duration)]


def _follow(drive: Samples, spikes: Samples) -> Samples:
    """Move spikes from the drive's own even time to the recording's."""
    step, rest = spikes // _DRIVE_STEP, spikes % _DRIVE_STEP
    moved: Samples = drive[step] + rest * (drive[step + 1] - drive[step]) // _DRIVE_STEP
    return moved


@cache
def _exponential() -> Samples:
    """Return 4,096 quantiles of the exponential law, whose mean stands for 2**16."""
    size = 1 << _QUANTILE_BITS
    scale = 1 << _FRACTION_BITS
    return np.array(
        [int(-(Decimal(2 * i + 1) / (2 * size)).ln() * scale) for i in range(size)], dtype=np.int64
    )


def fixed_uuid(*parts: str) -> str:
    """Return the UUID (version 5) of some texts."""
    return str(uuid.uuid5(_NAMESPACE, canonical_json(parts).decode()))
