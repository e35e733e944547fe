"""Counts equal numpy.histogram on the original's edges, bit for bit."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from spikemill.services.binner import binning
from spikemill.services.binner.binning import (
    BinEdges,
    Origin,
    SpikeBins,
    count_window,
    finite_range,
    lay_edges,
    to_bins,
)
from spikemill.services.binner.readers.base import SpikeTrains

BIN_SIZE = 0.02
Units = list[list[float]]

bin_multiples = st.integers(-20, 3000).map(lambda i: i * BIN_SIZE)
grid_30_khz = st.integers(-30_000, 2_000_000).map(lambda i: i / 30_000)
anywhere = st.floats(-50, 100)
odd_times = st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0, 5e-324, -1e300])
spike_time = bin_multiples | grid_30_khz | anywhere | odd_times
crowd = st.builds(lambda t, n: [t] * n, bin_multiples, st.integers(250, 520))
unit = st.lists(spike_time, max_size=30) | crowd
sessions = st.lists(unit, min_size=1, max_size=5)
cuts = st.lists(st.floats(0, 1), max_size=4)


def recording_of(units: Units) -> SpikeTrains:
    """Put the units into one flat array, as a reader does."""
    ends = np.cumsum([len(spikes) for spikes in units], dtype=np.int64)
    return SpikeTrains(np.array([t for spikes in units for t in spikes], np.float64), ends)


def original_edges(units: Units, origin: Origin) -> NDArray[np.float64]:
    """Return the edges as the original dataset's scripts make them."""
    finite = [t for spikes in units for t in spikes if math.isfinite(t)]
    start = 0 if origin == "zero" else min(finite)
    return np.arange(start, max(finite) + BIN_SIZE, BIN_SIZE)


def histograms(units: Units, edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Count with numpy, one histogram per unit."""
    return np.vstack([np.histogram(np.array(spikes, np.float64), edges)[0] for spikes in units])


def lay(recordings: list[SpikeTrains], origin: Origin) -> BinEdges:
    """Lay the session's edges; the recordings hold a finite spike."""
    spanned = finite_range(recordings)
    assert spanned is not None
    return lay_edges(*spanned, bin_size=BIN_SIZE, origin=origin, max_hours=1e300)


def count_in_windows(parts: list[SpikeBins], n_bins: int, fractions: list[float]) -> NDArray[np.uint8]:
    """Count window by window, cut at these fractions of the session."""
    bounds = sorted({0, n_bins, *(int(fraction * n_bins) for fraction in fractions)})
    windows = [count_window(parts, low, high) for low, high in itertools.pairwise(bounds)]
    return np.hstack(windows)


def is_countable(units: Units, origin: Origin) -> bool:
    """Tell whether the original's edges make a bin, of a clock near enough to zero."""
    finite = [t for spikes in units for t in spikes if math.isfinite(t)]
    if not finite or max(finite) < -1e9 or (origin == "first-spike" and min(finite) < -1e9):
        return False
    return len(original_edges(units, origin)) > 1


@given(sessions, st.sampled_from(["zero", "first-spike"]), cuts)
@example([[0.26]], "zero", [])
@example([[0.02 * 13, 0.02 * 12, 0.1]], "zero", [0.5])
@example([[1499.0, 1500.0], []], "first-spike", [0.3])
@example([[math.nan], [0.5]], "zero", [])
@example([[-1e300]], "zero", [])
@example([[0.5] * 256 + [-1.0] * 300, [0.5] * 255], "zero", [0.9])
@example([[0.1]] * 300, "zero", [])
def test_counts_equal_numpy_histogram(units: Units, origin: Origin, fractions: list[float]) -> None:
    if not is_countable(units, origin):
        return
    expected = histograms(units, original_edges(units, origin))
    recording = recording_of(units)
    edges = lay([recording], origin)
    assert edges.n_bins == expected.shape[1]
    part = to_bins(recording, edges)
    counts = count_in_windows([part], edges.n_bins, fractions)
    assert counts.dtype == np.uint8
    np.testing.assert_array_equal(counts, np.minimum(expected, 255))
    assert len(part.bins) == expected.sum()
    assert len(part.crowded_bins) == (expected > 255).sum()


@given(sessions, sessions, cuts)
def test_recordings_of_one_session_are_stacked_on_one_clock(
    upper: Units, lower: Units, fractions: list[float]
) -> None:
    if not is_countable(upper + lower, "zero"):
        return
    expected = histograms(upper + lower, original_edges(upper + lower, "zero"))
    recordings = [recording_of(upper), recording_of(lower)]
    edges = lay(recordings, "zero")
    parts = [to_bins(recording, edges) for recording in recordings]
    counts = count_in_windows(parts, edges.n_bins, fractions)
    np.testing.assert_array_equal(counts, np.minimum(expected, 255))


@pytest.mark.parametrize("at_a_time", [300, 1000])
def test_counts_do_not_depend_on_how_many_spikes_are_worked_on_at_a_time(
    monkeypatch: pytest.MonkeyPatch, at_a_time: int
) -> None:
    monkeypatch.setattr(binning, "SPIKES_AT_A_TIME", at_a_time)
    random = np.random.default_rng(7)
    units = [random.uniform(-3, 40, size).tolist() for size in (0, 5000, 1, 0, 900, 3)]
    units.append([1.23] * 700 + [1.25] * 256 + [math.nan] * 500)
    expected = histograms(units, original_edges(units, "zero"))
    recording = recording_of(units)
    edges = lay([recording], "zero")
    counts = count_in_windows([to_bins(recording, edges)], edges.n_bins, [0.03, 0.4])
    np.testing.assert_array_equal(counts, np.minimum(expected, 255))


def test_a_long_recording_on_a_30_khz_grid_equals_numpy_histogram() -> None:
    random = np.random.default_rng(11)
    spikes = np.sort(random.integers(0, 30_000 * 7200, 400_000)) / 30_000
    expected = np.histogram(spikes, np.arange(0, spikes.max() + BIN_SIZE, BIN_SIZE))[0]
    recording = SpikeTrains(spikes.copy(), np.array([len(spikes)]))
    edges = lay([recording], "zero")
    counts = count_window([to_bins(recording, edges)], 0, edges.n_bins)
    np.testing.assert_array_equal(counts[0], expected)


def test_no_finite_spike_has_no_range() -> None:
    assert finite_range([recording_of([[], [math.nan, math.inf]]), recording_of([])]) is None
