"""Recordings of one session come onto the same bins, or none of them does."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike

from spikemill.services.binner.binning import BinnedRecordings, bin_recordings, count_window
from spikemill.services.binner.readers.base import EstimatedCounts, Recording, SpikeTrains
from spikemill.services.common.errors import RecordingError


def estimate(counts: ArrayLike, **odd: Any) -> EstimatedCounts:
    """Make what a reader of rates gives."""
    values: dict[str, Any] = {"start": 0.0, "bin_size": 0.02, "clipped": 0, "left_out": 0}
    return EstimatedCounts(np.array(counts, np.uint8), **values | odd)


def spikes(*times: float) -> SpikeTrains:
    """Make a recording of one unit."""
    return SpikeTrains(np.array(times), np.array([len(times)]))


def on_bins(*recordings: Recording, **odd: Any) -> BinnedRecordings:
    """Bin the recordings."""
    settings: dict[str, Any] = {"bin_size": 0.02, "origin": "zero", "max_hours": 48}
    return bin_recordings(recordings, **settings | odd)


def test_estimates_are_stacked_as_they_are() -> None:
    upper = estimate([[0, 1, 2, 3]], clipped=2, left_out=1)
    lower = estimate([[255, 0, 0, 0], [0, 0, 0, 9]], clipped=1, start=0.009)
    binned = on_bins(upper, lower)
    assert (binned.n_units, binned.n_bins, binned.spikes) == (3, 4, 270)
    assert (binned.clipped, binned.left_out) == (3, 1)
    counts = count_window(binned.parts, 1, 4)
    assert counts.dtype == np.uint8
    assert counts.tolist() == [[1, 2, 3], [0, 0, 0], [0, 0, 9]]


def test_spikes_are_stacked_on_one_clock() -> None:
    binned = on_bins(spikes(0.01), spikes(0.05, -1.0))
    assert (binned.n_units, binned.n_bins, binned.spikes, binned.left_out) == (2, 3, 2, 1)
    assert count_window(binned.parts, 0, 3).tolist() == [[1, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize("recordings", [(estimate([[1]]), spikes(0.1)), (spikes(0.1), estimate([[1]]))])
def test_spikes_and_rates_are_not_mixed(recordings: tuple[Recording, Recording]) -> None:
    with pytest.raises(RecordingError, match=r"some .* hold spikes and others rates.*correct `group`"):
        on_bins(*recordings)


@pytest.mark.parametrize(
    "other",
    [estimate([[1, 2, 3]]), estimate([[1, 2]], start=0.02), estimate([[1, 2]], start=-3.0)],
)
def test_rates_that_do_not_cover_the_same_time_are_not_stacked(other: EstimatedCounts) -> None:
    with pytest.raises(RecordingError, match="do not start and end together"):
        on_bins(estimate([[1, 2]]), other)


@pytest.mark.parametrize("bin_size", [0.01, 0.0200001])
def test_samples_of_another_width_than_the_bins_are_refused(bin_size: float) -> None:
    with pytest.raises(
        RecordingError, match=rf"come every {bin_size:g} s, .* set bin_size = {bin_size:g} in"
    ):
        on_bins(estimate([[1, 2]], bin_size=bin_size))
    assert on_bins(estimate([[1, 2]], bin_size=bin_size), bin_size=bin_size).n_bins == 2


def test_rates_of_more_hours_than_are_believed_are_refused() -> None:
    long = estimate(np.zeros((1, 180_001)))
    assert on_bins(long, max_hours=1.1).n_bins == 180_001
    with pytest.raises(RecordingError, match=r"180,001 samples make 1 hours, more than max_hours = 1;"):
        on_bins(long, max_hours=1)
