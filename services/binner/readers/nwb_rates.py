"""The reader of NWB 2 files that hold firing rates: rate x sampling interval, rounded, is the count."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from spikemill.services.binner.readers.base import WAY_OUT, EstimatedCounts, RecordingFile
from spikemill.services.binner.readers.nwb import NwbReader, byte_spans, find_group, member, open_nwb
from spikemill.services.common.errors import RecordingError

_LARGEST = np.iinfo(np.uint8).max
# Values read at a time where a file does not cut them into chunks itself.
_VALUES_AT_A_TIME = 1_000_000
# How far a timestamp may lie from its even place, as a share of the interval.
_JITTER = 0.01


@dataclass(frozen=True, slots=True)
class NwbRates(NwbReader):
    """Estimates counts from a series of rates; `series` is its path in the file."""

    series: str = "acquisition/firing_rates"

    def read(self, file: RecordingFile) -> EstimatedCounts:
        """Read the rates of all units, block by block; only their counts are held, a byte each.

        Raises `RecordingError` for a missing series, for one that is not a matrix of numbers (time x unit),
        that is empty, or whose samples are not evenly spaced.
        """
        with open_nwb(file) as content:
            group = find_group(content, self.series)
            if group is None:
                raise RecordingError(
                    f"the file has no series at {self.series}; name the one that holds its rates in the "
                    "catalogue: reader_options = { series = ... }, or exclude the file"
                )
            rates = _rates_of(group)
            sampling = _read_sampling(group, len(rates), file)
            file.expect(byte_spans(rates))
            return _estimate(rates, sampling)


def _rates_of(series: h5py.Group) -> h5py.Dataset:
    rates = member(series, "data")
    if not isinstance(rates, h5py.Dataset):
        raise RecordingError(f"{series.name} is not a series: it has no data; {WAY_OUT}")
    if rates.shape is None or len(rates.shape) != 2:  # noqa: PLR2004 - time x unit
        raise RecordingError(
            f"the data of {series.name} are not a matrix, time x unit, but of shape {rates.shape}; {WAY_OUT}"
        )
    if rates.dtype.kind not in "fiu":
        raise RecordingError(f"the data of {series.name} are not numbers; {WAY_OUT}")
    if rates.size == 0:
        raise RecordingError(f"{series.name} is empty, of shape {rates.shape}; exclude it in the catalogue")
    return rates


class _Sampling(NamedTuple):
    """The first sample's time in seconds, and the samples per second."""

    start: float
    rate: float


def _read_sampling(series: h5py.Group, n_samples: int, file: RecordingFile) -> _Sampling:
    """Read the sampling rate of a series, or compute it from the timestamps."""
    starting_time = member(series, "starting_time")
    if isinstance(starting_time, h5py.Dataset):
        start, rate = _number(starting_time[()]), _number(starting_time.attrs.get("rate"))
        if not (np.isfinite(start) and np.isfinite(rate) and rate > 0):
            raise RecordingError(
                f"the starting_time of {series.name} is not a time, or its rate not a number of samples per "
                f"second; {WAY_OUT}"
            )
        return _Sampling(start, rate)
    timestamps = member(series, "timestamps")
    if isinstance(timestamps, h5py.Dataset):
        return _measured(series, timestamps, n_samples, file)
    raise RecordingError(f"{series.name} has neither a sampling rate nor timestamps; {WAY_OUT}")


def _number(stored: object) -> float:
    """Return a stored number, alone or in an array of one; not-a-number where it is anything else."""
    values = np.ravel(np.asarray(stored))
    return float(values[0]) if values.size == 1 and values.dtype.kind in "fiu" else float("nan")


def _measured(series: h5py.Group, timestamps: h5py.Dataset, n_samples: int, file: RecordingFile) -> _Sampling:
    if timestamps.shape != (n_samples,) or timestamps.dtype.kind not in "fiu":
        raise RecordingError(
            f"the timestamps of {series.name} are not {n_samples:,} numbers, one a sample; {WAY_OUT}"
        )
    file.expect(byte_spans(timestamps))
    times = np.asarray(timestamps[:], np.float64)
    if not _evenly_spaced(times):
        raise RecordingError(
            f"the timestamps of {series.name} are not evenly spaced, so its samples cannot be bins; {WAY_OUT}"
        )
    # Timestamps carry rounding errors, and a rate of 50.000000001 would round other halves than one of 50.
    rate = (n_samples - 1) / float(times[-1] - times[0])
    return _Sampling(float(times[0]), float(f"{rate:.8g}"))


def _evenly_spaced(times: NDArray[np.float64]) -> bool:
    if len(times) == 1 or not np.isfinite(times).all() or times[-1] <= times[0]:
        return False
    even, interval = np.linspace(times[0], times[-1], len(times), retstep=True)
    return bool(np.abs(times - even).max() <= _JITTER * interval)


def _estimate(rates: h5py.Dataset, sampling: _Sampling) -> EstimatedCounts:
    """Round rates (time x unit) to counts (unit x time)."""
    n_samples, n_units = rates.shape
    counts = np.empty((n_units, n_samples), np.uint8)
    clipped = left_out = 0
    for times, units in _blocks(rates):
        expected = rates[times, units] / sampling.rate
        unknown = np.isnan(expected)
        expected[unknown] = 0
        np.rint(expected, out=expected)
        clipped += int(np.count_nonzero((expected < 0) | (expected > _LARGEST)))
        left_out += int(np.count_nonzero(unknown))
        counts[units, times] = np.clip(expected, 0, _LARGEST).T
    if left_out == rates.size:
        raise RecordingError(f"no rate of {rates.parent.name} is a number; exclude it in the catalogue")
    return EstimatedCounts(counts, sampling.start, 1 / sampling.rate, clipped, left_out)


def _blocks(rates: h5py.Dataset) -> Iterator[tuple[slice, slice]]:
    """Yield the blocks that are read at a time: the dataset's chunks, else some samples of all units."""
    if rates.chunks is not None:
        yield from rates.iter_chunks()
        return
    n_samples, n_units = rates.shape
    length = max(1, _VALUES_AT_A_TIME // n_units)
    for start in range(0, n_samples, length):
        yield slice(start, min(start + length, n_samples)), slice(None)
