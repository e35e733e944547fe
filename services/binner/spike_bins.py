"""From seconds to bins: which bin each spike of a recording falls into."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.binner.edges import BinEdges
from services.binner.readers.base import SpikeTrains

MAX_COUNT = int(np.iinfo(np.uint8).max)
# Spikes worked on at a time: small enough for a core's cache, large enough that calls cost nothing.
SPIKES_AT_A_TIME = 65_536


@dataclass(frozen=True, slots=True)
class SpikeBins:
    """The bin of every counted spike of one recording, rising within each unit.

    `bins` is int64, shape (n_counted,), one unit after the other; `ends` is int64, shape (n_units,).
    `crowded_units` and `crowded_bins` name the cells with more spikes than a uint8 can hold.
    """

    bins: NDArray[np.int64]
    ends: NDArray[np.int64]
    crowded_units: NDArray[np.int64]
    crowded_bins: NDArray[np.int64]

    @property
    def n_units(self) -> int:
        """The number of units, silent ones included."""
        return len(self.ends)

    @property
    def spikes(self) -> int:
        """How many spikes were counted."""
        return len(self.bins)

    @property
    def clipped(self) -> int:
        """How many cells have more spikes than a uint8 can hold."""
        return len(self.crowded_bins)

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where each unit's spikes start, int64 of shape (n_units,)."""
        return np.concatenate((np.zeros(1, np.int64), self.ends[:-1]))[: len(self.ends)]


def finite_range(recordings: Iterable[SpikeTrains]) -> tuple[float, float] | None:
    """Return the earliest and the latest finite spike time in seconds, None where there is no finite one."""
    earliest, latest = math.inf, -math.inf
    for recording in recordings:
        for start, stop in _pieces(0, len(recording.spike_times)):
            seconds = recording.spike_times[start:stop]
            low, high = seconds.min(), seconds.max()
            if not (np.isfinite(low) and np.isfinite(high)):
                finite = seconds[np.isfinite(seconds)]
                low, high = finite.min(initial=math.inf), finite.max(initial=-math.inf)
            earliest, latest = min(earliest, float(low)), max(latest, float(high))
    return (earliest, latest) if earliest <= latest else None


def to_bins(recording: SpikeTrains, edges: BinEdges) -> SpikeBins:
    """Replace the recording's times by their bins, in the same memory: it cannot be used after this.

    Times that are not finite, before the first edge or after the last one are left out.
    """
    bins = recording.spike_times.view(np.int64)
    kept = np.diff(recording.ends, prepend=0)
    filled = 0
    for start, stop in _pieces(0, len(bins)):
        seconds = recording.spike_times[start:stop]
        if seconds.min() >= edges.first and seconds.max() < edges.last:
            located = edges.locate(seconds)
        else:
            held = (seconds >= edges.first) & (seconds <= edges.last)
            left_out = recording.units_of(start + np.flatnonzero(~held))
            kept -= np.bincount(left_out, minlength=len(kept))
            # The last bin holds its upper edge too.
            located = np.minimum(edges.locate(seconds[held]), edges.n_bins - 1)
        bins[filled : filled + located.size] = located
        filled += located.size
    ends = np.cumsum(kept)
    _sort_units(bins, ends)
    return SpikeBins(bins[:filled], ends, *_crowded(bins[:filled], ends))


def _pieces(start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Cut a range of spikes into pieces of bounded length."""
    for piece in range(start, stop, SPIKES_AT_A_TIME):
        yield piece, min(piece + SPIKES_AT_A_TIME, stop)


def _sort_units(bins: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
    """Sort in place the bins of every unit whose spikes were not in order."""
    start = 0
    for end in ends.tolist():
        unit = bins[start:end]
        if (unit[1:] < unit[:-1]).any():
            unit.sort()
        start = end


def _crowded(bins: NDArray[np.int64], ends: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the units and the bins of the cells with more than `MAX_COUNT` spikes.

    In such a cell, and in no other, a spike and the `MAX_COUNT`th before it are of one unit and one bin.
    """
    cells = [np.empty((0, 2), np.int64)]
    for start, stop in _pieces(MAX_COUNT, len(bins)):
        later = bins[start:stop]
        repeated = np.flatnonzero(later == bins[start - MAX_COUNT : stop - MAX_COUNT])
        if repeated.size:
            units = ends.searchsorted(repeated + start, side="right")
            is_same_unit = units == ends.searchsorted(repeated + (start - MAX_COUNT), side="right")
            pairs = np.stack((units[is_same_unit], later[repeated[is_same_unit]]), axis=1)
            cells.append(np.unique(pairs, axis=0))
    units, crowded_bins = np.unique(np.concatenate(cells), axis=0).T
    return units, crowded_bins
