"""Made-up spike times, the same at every call for one name."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Times = NDArray[np.float64]

BIN = 0.02
"""The width of a bin in seconds."""

_SAMPLE_RATE = 30_000
_SHARE_ON_EDGES = 0.05


def generator(name: str) -> Generator:
    """Return the random numbers that belong to a name."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big"))


def spike_trains(name: str, units: int, seconds: int, silent: Sequence[int] = ()) -> list[Times]:
    """Return each unit's spike times in seconds, ascending; `silent` names the units that have none.

    They lie on the grid of a 30 kHz recording, but one in twenty exactly on the edge of a bin.
    """
    numbers = generator(name)
    trains = [_train(numbers, seconds) for _ in range(units)]
    return [train[:0] if unit in silent else train for unit, train in enumerate(trains)]


def _train(numbers: Generator, seconds: int) -> Times:
    spikes = int(numbers.poisson(numbers.uniform(1, 15) * seconds)) + 1
    times = numbers.integers(0, seconds * _SAMPLE_RATE, spikes) / _SAMPLE_RATE
    on_edges = numbers.random(spikes) < _SHARE_ON_EDGES
    times[on_edges] = np.floor(times[on_edges] / BIN) * BIN
    return np.sort(times)
