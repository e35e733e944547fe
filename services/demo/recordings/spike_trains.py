"""Made-up spike trains with realistic rates, the same to the last bit on every machine.

Everything is integer arithmetic on a 30 kHz grid over the raw stream of PCG64, which numpy promises to keep;
the one transcendental table comes from `decimal`, whose logarithm is exact everywhere, unlike a C library's.
"""

import hashlib
from decimal import Decimal
from functools import cache
from math import isqrt

import numpy as np
from numpy.random import PCG64
from numpy.typing import NDArray

Samples = NDArray[np.int64]

SAMPLE_RATE = 30_000
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
