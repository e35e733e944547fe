"""Counts of one window of bins, for all units; spikes are counted as `numpy.histogram` counts them."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from spikemill.services.binner.binning import MAX_COUNT, SPIKES_AT_A_TIME, Part, SpikeBins

# A summand of the counts' own type keeps `numpy.add.at` on its fast path, forty times the other one.
_ONE = np.uint8(1)


def count_window(parts: Sequence[Part], first_bin: int, stop_bin: int) -> NDArray[np.uint8]:
    """Count the bins [first_bin, stop_bin) of all units, the parts' units stacked in order.

    Returns a uint8 matrix, units x bins, C order. A count above 255 is clipped to 255.
    """
    counts = np.zeros((sum(part.n_units for part in parts), stop_bin - first_bin), np.uint8)
    top = 0
    for part in parts:
        rows = counts[top : top + part.n_units]
        if isinstance(part, SpikeBins):
            _count_spikes(part, first_bin, rows)
        else:
            rows[:] = part.counts[:, first_bin:stop_bin]
        top += part.n_units
    return counts


def _count_spikes(part: SpikeBins, first_bin: int, counts: NDArray[np.uint8]) -> None:
    width = counts.shape[1]
    starts, stops = _first_spikes(part, (first_bin, first_bin + width))
    for units, piece_starts, piece_stops in _blocks(starts, stops):
        slices = zip(piece_starts.tolist(), piece_stops.tolist(), strict=True)
        cells = np.concatenate([part.bins[start:stop] for start, stop in slices])
        cells += np.repeat(units * width - first_bin, piece_stops - piece_starts)
        np.add.at(counts.reshape(-1), cells, _ONE)
    # The cells whose count a uint8 cannot hold have wrapped.
    columns = part.crowded_bins - first_bin
    inside = (columns >= 0) & (columns < width)
    counts[part.crowded_units[inside], columns[inside]] = MAX_COUNT


def _first_spikes(part: SpikeBins, wanted: Sequence[int]) -> NDArray[np.int64]:
    """Bisect once for the position of each unit's first spike at or after each wanted bin.

    The result has the shape (wanted bins, units).
    """
    targets = np.array(wanted, np.int64)[:, np.newaxis]
    low, high = np.broadcast_arrays(part.starts, part.ends, targets)[:2]
    while (unsettled := low < high).any():
        middle = (low + high) // 2
        is_before = part.bins[np.minimum(middle, len(part.bins) - 1)] < targets
        low = np.where(unsettled & is_before, middle + 1, low)
        high = np.where(unsettled & ~is_before, middle, high)
    return low


def _blocks(
    starts: NDArray[np.int64], stops: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """Cut the units' ranges of spikes into blocks of bounded size, yielded as (units, starts, stops)."""
    bounds = np.concatenate((np.zeros(1, np.int64), np.cumsum(stops - starts)))
    for low in range(0, int(bounds[-1]), SPIKES_AT_A_TIME):
        high = low + SPIKES_AT_A_TIME
        first = int(bounds.searchsorted(low, side="right")) - 1
        stop = int(bounds[:-1].searchsorted(high, side="left"))
        units = slice(first, stop)
        yield (
            np.arange(first, stop),
            starts[units] + np.maximum(low - bounds[units], 0),
            stops[units] - np.maximum(bounds[first + 1 : stop + 1] - high, 0),
        )
