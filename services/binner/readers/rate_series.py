"""A TimeSeries of firing rates, as the counts that they stand for: rate x sampling interval, rounded.

Rates are taken as they are stored, in spikes per second. They are mostly smoothed, so that an isolated spike
may round to none: what comes out are estimates, and is marked so wherever it goes.
"""

from collections.abc import Iterator

import h5py
import numpy as np

from services.binner.readers.base import EstimatedCounts, Expect
from services.binner.readers.dataset_spans import byte_spans
from services.binner.readers.hdf5_members import find_group, member
from services.binner.readers.reading import WAY_OUT
from services.binner.readers.sampling import Sampling, read_sampling
from services.common.errors import RecordingError

_LARGEST = np.iinfo(np.uint8).max
# Values read at a time where a file does not cut them into chunks itself.
_VALUES_AT_A_TIME = 1_000_000

Block = tuple[slice, slice]


def read_rates(file: h5py.File, series: str, expect: Expect) -> EstimatedCounts:
    """Read the rates at a path, block by block; only their counts are held, a byte each.

    Raises `RecordingError` for a missing series, for one that is not a matrix of numbers (time x unit), that
    is empty, or whose samples are not evenly spaced.
    """
    group = find_group(file, series)
    if group is None:
        raise RecordingError(
            f"the file has no series at {series}; name the one that holds its rates in the catalogue: "
            "reader_options = { series = ... }, or exclude the file"
        )
    rates = _rates_of(group)
    sampling = read_sampling(group, len(rates), expect)
    expect(byte_spans(rates))
    return _estimate(rates, sampling)


def _rates_of(series: h5py.Group) -> h5py.Dataset:
    """Return the matrix of the series, seen to be one."""
    rates = member(series, "data")
    if not isinstance(rates, h5py.Dataset):
        raise RecordingError(f"{series.name} is no series: it has no data; {WAY_OUT}")
    if rates.shape is None or len(rates.shape) != 2:  # noqa: PLR2004 - time x unit
        raise RecordingError(
            f"the data of {series.name} are not a matrix, time x unit, but of shape {rates.shape}; {WAY_OUT}"
        )
    if rates.dtype.kind not in "fiu":
        raise RecordingError(f"the data of {series.name} are not numbers; {WAY_OUT}")
    if rates.size == 0:
        raise RecordingError(f"{series.name} is empty, of shape {rates.shape}; exclude it in the catalogue")
    return rates


def _estimate(rates: h5py.Dataset, sampling: Sampling) -> EstimatedCounts:
    """Turn rates (time x unit) into counts (unit x time)."""
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


def _blocks(rates: h5py.Dataset) -> Iterator[Block]:
    """Cut the matrix into what is read at a time: its chunks, else some samples of all units."""
    if rates.chunks is not None:
        yield from rates.iter_chunks()
        return
    n_samples, n_units = rates.shape
    length = max(1, _VALUES_AT_A_TIME // n_units)
    for start in range(0, n_samples, length):
        yield slice(start, min(start + length, n_samples)), slice(None)
