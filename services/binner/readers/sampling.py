"""When the samples of a TimeSeries were taken."""

from typing import NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from services.binner.readers.base import Expect
from services.binner.readers.dataset_spans import byte_spans
from services.binner.readers.hdf5_members import member
from services.binner.readers.reading import WAY_OUT
from services.common.errors import RecordingError

# How far a timestamp may lie from its even place, as a share of the interval.
_JITTER = 0.01


class Sampling(NamedTuple):
    """The first sample's time in seconds, and the samples per second."""

    start: float
    rate: float


def read_sampling(series: h5py.Group, n_samples: int, expect: Expect) -> Sampling:
    """Read the rate of a series, or find it in its timestamps.

    Raises `RecordingError` where there is neither, or where timestamps are not evenly spaced.
    """
    starting_time = member(series, "starting_time")
    if isinstance(starting_time, h5py.Dataset):
        return _declared(series, starting_time)
    timestamps = member(series, "timestamps")
    if isinstance(timestamps, h5py.Dataset):
        return _measured(series, timestamps, n_samples, expect)
    raise RecordingError(
        f"{series.name} tells neither the rate of its samples nor their timestamps; {WAY_OUT}"
    )


def _declared(series: h5py.Group, starting_time: h5py.Dataset) -> Sampling:
    start, rate = _number(starting_time[()]), _number(starting_time.attrs.get("rate"))
    if not (np.isfinite(start) and np.isfinite(rate) and rate > 0):
        raise RecordingError(
            f"the starting_time of {series.name} is no time, or its rate no number of samples per second; "
            f"{WAY_OUT}"
        )
    return Sampling(start, rate)


def _number(stored: object) -> float:
    """Return a stored number, alone or in an array of one; not-a-number where it is anything else."""
    values = np.ravel(np.asarray(stored))
    return float(values[0]) if values.size == 1 and values.dtype.kind in "fiu" else float("nan")


def _measured(series: h5py.Group, timestamps: h5py.Dataset, n_samples: int, expect: Expect) -> Sampling:
    if timestamps.shape != (n_samples,) or timestamps.dtype.kind not in "fiu":
        raise RecordingError(
            f"the timestamps of {series.name} are not {n_samples:,} numbers, one a sample; {WAY_OUT}"
        )
    expect(byte_spans(timestamps))
    times = np.asarray(timestamps[:], np.float64)
    if not _are_even(times):
        raise RecordingError(
            f"the timestamps of {series.name} are not evenly spaced, so its samples are no bins; {WAY_OUT}"
        )
    # Timestamps carry rounding errors, and a rate of 50.000000001 would round other halves than one of 50.
    rate = (n_samples - 1) / float(times[-1] - times[0])
    return Sampling(float(times[0]), float(f"{rate:.8g}"))


def _are_even(times: NDArray[np.float64]) -> bool:
    """Tell whether the times rise in steps of one length."""
    if len(times) == 1 or not np.isfinite(times).all() or times[-1] <= times[0]:
        return False
    even, interval = np.linspace(times[0], times[-1], len(times), retstep=True)
    return bool(np.abs(times - even).max() <= _JITTER * interval)
