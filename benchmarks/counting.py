"""Counting against one `numpy.histogram` per unit, to the same uint8 matrix of a 600-unit hour.

Run: `python -m benchmarks.counting`.
"""

import time
from collections.abc import Callable

import numpy as np

from benchmarks.spike_hours import BIN_SIZE, PUBLISHED_HZ, SPARSE_HZ, count_rows, make_hour, units_of
from benchmarks.tables import print_table
from spikemill.services.binner.readers.base import SpikeTrains

ROUNDS = 5


def by_histogram(recording: SpikeTrains) -> np.ndarray:
    """Count as the original does: edges and a histogram for each unit, stacked, cast."""
    units = units_of(recording)
    latest = max(unit.max() for unit in units if unit.size)
    histograms = [np.histogram(unit, np.arange(0, latest + BIN_SIZE, BIN_SIZE))[0] for unit in units]
    return np.vstack(histograms).astype(np.uint8)


def by_histogram_on_shared_edges(recording: SpikeTrains) -> list[np.ndarray]:
    """Count with edges made once, and leave the int64 histograms as they are."""
    edges = np.arange(0, recording.spike_times.max() + BIN_SIZE, BIN_SIZE)
    return [np.histogram(unit, edges)[0] for unit in units_of(recording)]


def by_spikemill(recording: SpikeTrains) -> None:
    """Count row by row, as the binner does; a row is gone when the next one is made."""
    for _ in count_rows(recording):
        pass


def best_seconds(count: Callable[[SpikeTrains], object], recording: SpikeTrains) -> float:
    """Return the cpu seconds of the best of some runs, each on a copy of its own."""
    seconds = []
    for _ in range(ROUNDS):
        own = SpikeTrains(recording.spike_times.copy(), recording.ends)
        start = time.process_time()
        count(own)
        seconds.append(time.process_time() - start)
    return min(seconds)


def compare(mean_hz: float) -> list[list[str]]:
    """Measure the three ways on one hour; raise where ours counts anything else than the original's."""
    hour = make_hour(mean_hz)
    expected = by_histogram(hour)
    counted = np.hstack(list(count_rows(SpikeTrains(hour.spike_times.copy(), hour.ends))))
    np.testing.assert_array_equal(counted, expected)
    ways: dict[str, Callable[[SpikeTrains], object]] = {
        "numpy.arange + histogram per unit, stacked, cast": by_histogram,
        "numpy.histogram per unit, shared edges, not stacked": by_histogram_on_shared_edges,
        "spikemill": by_spikemill,
    }
    seconds = {name: best_seconds(way, hour) for name, way in ways.items()}
    ours = seconds["spikemill"]
    spikes = len(hour.spike_times)
    return [
        [name, f"{taken:.3f}", f"{spikes / taken / 1e6:.1f}", f"{taken / ours:.1f}x"]
        for name, taken in seconds.items()
    ]


def main() -> None:
    """Print one table for each density of spikes."""
    for mean_hz in (PUBLISHED_HZ, SPARSE_HZ):
        title = f"Counting 600 units x 1 hour at {mean_hz} Hz into 20 ms bins (best of {ROUNDS})"
        print_table(title, ["way", "cpu seconds", "M spikes/s", "of ours"], compare(mean_hz))


if __name__ == "__main__":
    main()
