"""Edges equal numpy.arange, and impossible clocks are refused with a reason."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikemill.services.binner.binning import Origin, lay_edges
from spikemill.services.common.errors import RecordingError


@given(st.floats(-1e6, 1e6), st.floats(0, 200), st.sampled_from([0.02, 0.05, 0.001, 1 / 60, 0.3]))
def test_edges_from_the_first_spike_equal_arange(first: float, length: float, bin_size: float) -> None:
    expected = np.arange(first, first + length + bin_size, bin_size)
    if len(expected) < 2:
        return
    edges = lay_edges(first, first + length, bin_size=bin_size, origin="first-spike", max_hours=1)
    assert edges.n_bins == len(expected) - 1
    np.testing.assert_array_equal(edges.first + np.arange(edges.n_bins + 1) * edges.step, expected)
    assert edges.last == expected[-1]


@given(st.integers(1, 8_640_000))
def test_a_last_spike_on_an_edge_makes_as_many_bins_as_arange(index: int) -> None:
    latest = index * 0.02
    edges = lay_edges(0.0, latest, bin_size=0.02, origin="zero", max_hours=48)
    assert edges.n_bins == int(np.ceil((latest + 0.02) / 0.02)) - 1


def lay(earliest: float, latest: float, origin: Origin = "zero", max_hours: float = 48) -> int:
    """Return the number of 20 ms bins."""
    return lay_edges(earliest, latest, bin_size=0.02, origin=origin, max_hours=max_hours).n_bins


def test_the_longest_recording_allowed_is_laid() -> None:
    assert lay(0.0, 3600.0, max_hours=1) == len(np.arange(0, 3600.02, 0.02)) - 1


@pytest.mark.parametrize("latest", [3600.1, 2_340_683.0, 1e300])
def test_a_recording_longer_than_allowed_is_refused(latest: float) -> None:
    with pytest.raises(
        RecordingError, match=r"max_hours = 1; are the times in milliseconds, or in samples\?"
    ):
        lay(0.0, latest, max_hours=1)


@pytest.mark.parametrize("latest", [0.0, -0.0, -5.0, -1e300])
def test_times_without_a_bin_are_refused(latest: float) -> None:
    with pytest.raises(RecordingError, match=r"no bin to count in|too far from zero"):
        lay(-1e300, latest)


def test_the_length_is_taken_from_the_first_spike_where_bins_start_there() -> None:
    late = 1.7e9
    assert lay(late, late + 3600, "first-spike", max_hours=2) > 179_000


def test_a_clock_that_float64_cannot_divide_into_bins_is_refused() -> None:
    with pytest.raises(RecordingError, match="too far from zero for bins of"):
        lay(1.7e15, 1.7e15 + 100, "first-spike")
