"""All recordings of a session on one set of bins, and the counts of a window of them.

The edges are those of `numpy.arange`, the counts those of `numpy.histogram`.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spikemill.services.binner.readers.base import EstimatedCounts, Recording, SpikeTrains
from spikemill.services.common.errors import RecordingError

Origin = Literal["zero", "first-spike"]
MAX_COUNT = int(np.iinfo(np.uint8).max)
# Spikes worked on at a time: small enough for a core's cache, large enough that calls cost nothing.
SPIKES_AT_A_TIME = 65_536
_SECONDS_PER_HOUR = 3600
# A summand of the counts' own type keeps `numpy.add.at` on its fast path, forty times the other one.
_ONE = np.uint8(1)
# Over two days, an error of this share in the width of a bin adds up to less than nine bins.
_SAME_WIDTH = 1e-6
# With at least this many float64 values in a bin, every rounding below stays under the bias (see `locate`).
_VALUES_PER_BIN = 4096
_BIAS = 2.0**-8


@dataclass(frozen=True, slots=True)
class SpikeBins:
    """The bin of every counted spike of one recording, ascending within each unit.

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


Part = SpikeBins | EstimatedCounts
"""One recording on a session's bins."""


@dataclass(frozen=True, slots=True)
class BinnedRecordings:
    """A session's recordings on bins 0 to `n_bins`, their units stacked in order.

    `left_out` is the number of spikes in no bin, or of cells whose rate was no number.
    """

    parts: Sequence[Part]
    n_bins: int
    left_out: int

    @property
    def n_units(self) -> int:
        """The number of units of all recordings."""
        return sum(part.n_units for part in self.parts)

    @property
    def spikes(self) -> int:
        """How many spikes are in the bins."""
        return sum(part.spikes for part in self.parts)

    @property
    def clipped(self) -> int:
        """How many cells were clipped to what a uint8 can hold."""
        return sum(part.clipped for part in self.parts)


@dataclass(frozen=True, slots=True)
class BinEdges:
    """Edge i is `first + i * step`, as `numpy.arange` computes it, for i from 0 to n_bins.

    `step` is `(first + bin_size) - first`: what arange adds, which differs from the bin size where float64
    rounds. A bin holds its lower edge but not its upper one; the last bin holds both.
    """

    first: float
    step: float
    n_bins: int

    @property
    def last(self) -> float:
        """The upper edge of the last bin, in seconds."""
        return self.first + self.n_bins * self.step

    def locate(self, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the bin of each time, as whole float64 numbers; all times lie in [first, last).

        The biased estimate is the right bin or the next one, never a lower one, so one comparison with the
        edge itself makes it exact. `floor(t / bin_size)` alone is wrong for 1 spike in 4,000 at 30 kHz.
        """
        bins = seconds * (1 / self.step)
        bins += _BIAS - self.first / self.step
        np.floor(bins, out=bins)
        lower_edges = bins * self.step
        lower_edges += self.first
        bins[(lower_edges > seconds).nonzero()[0]] -= 1
        return bins


def bin_recordings(
    recordings: Sequence[Recording], *, bin_size: float, origin: Origin, max_hours: float
) -> BinnedRecordings:
    """Put a session's recordings on the same bins; spike trains cannot be used afterwards.

    Raises `RecordingError` where no bins fit them.
    """
    trains = [recording for recording in recordings if isinstance(recording, SpikeTrains)]
    estimates = [recording for recording in recordings if isinstance(recording, EstimatedCounts)]
    if trains and estimates:
        raise RecordingError(
            "some files of the session hold spikes and others rates, which cannot be combined; "
            "correct `group` in the catalogue"
        )
    if estimates:
        return _line_up(estimates, bin_size=bin_size, max_hours=max_hours)
    n_spikes = sum(len(recording.spike_times) for recording in trains)
    spanned = finite_range(trains)
    if spanned is None:
        raise RecordingError("there is no spike with a finite time; exclude it in the catalogue")
    edges = lay_edges(*spanned, bin_size=bin_size, origin=origin, max_hours=max_hours)
    parts = [to_bins(recording, edges) for recording in trains]
    return BinnedRecordings(parts, edges.n_bins, n_spikes - sum(part.spikes for part in parts))


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


def lay_edges(
    earliest: float, latest: float, *, bin_size: float, origin: Origin, max_hours: float
) -> BinEdges:
    """Lay bins over the finite spike times of a session (seconds), from zero or from the first spike.

    Equal to `numpy.arange(first, latest + bin_size, bin_size)`. Raises `RecordingError` for a recording
    that is too long, has no bin, or lies so far from zero that float64 cannot tell its bins apart.
    """
    first = 0.0 if origin == "zero" else earliest
    if (hours := (latest - first) / _SECONDS_PER_HOUR) > max_hours:
        raise RecordingError(
            f"its last spike is at {latest:,.0f} seconds, which makes {hours:,.0f} hours and is more than "
            f"max_hours = {max_hours:g}; are the times in milliseconds, or in samples? "
            "Exclude it, or raise max_hours in the catalogue if it is that long"
        )
    if np.spacing(max(abs(first), abs(latest))) * _VALUES_PER_BIN > bin_size:
        raise RecordingError(
            f"its clock is at {latest:,.0f} seconds, too far from zero for bins of {bin_size} s; "
            "are the times in milliseconds, or in samples?"
        )
    n_bins = math.ceil((latest + bin_size - first) / bin_size) - 1
    if n_bins < 1:
        raise RecordingError(
            f"its last spike is at {latest} s, which leaves no bin to count in from {first} s on; "
            'if its clock starts below zero, set origin = "first-spike" in the catalogue'
        )
    return BinEdges(first, (first + bin_size) - first, n_bins)


def to_bins(recording: SpikeTrains, edges: BinEdges) -> SpikeBins:
    """Replace the recording's times by their bins, in the same memory; it cannot be used afterwards.

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


def _pieces(start: int, stop: int) -> Iterator[tuple[int, int]]:
    for piece in range(start, stop, SPIKES_AT_A_TIME):
        yield piece, min(piece + SPIKES_AT_A_TIME, stop)


def _line_up(estimates: Sequence[EstimatedCounts], *, bin_size: float, max_hours: float) -> BinnedRecordings:
    """Require that the samples of all files are the catalogue's bins, and the same ones."""
    first = estimates[0]
    for estimate in estimates:
        if not math.isclose(estimate.bin_size, bin_size, rel_tol=_SAME_WIDTH):
            raise RecordingError(
                f"its rates come every {estimate.bin_size:g} s, and bins are {bin_size:g} s wide; set "
                f"bin_size = {estimate.bin_size:g} in the catalogue for bins like these, or exclude it"
            )
        if estimate.n_bins != first.n_bins or abs(estimate.start - first.start) > bin_size / 2:
            raise RecordingError(
                "the rates of the session's files do not start and end together, so they cannot be stacked; "
                "correct `group` in the catalogue, or exclude it"
            )
    if (hours := first.n_bins * bin_size / _SECONDS_PER_HOUR) > max_hours:
        raise RecordingError(
            f"its {first.n_bins:,} samples make {hours:,.0f} hours, more than max_hours = {max_hours:g}; "
            "exclude it, or raise max_hours in the catalogue if it is that long"
        )
    return BinnedRecordings(estimates, first.n_bins, sum(estimate.left_out for estimate in estimates))


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
