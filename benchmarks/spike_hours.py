"""Made-up recordings of realistic rates, for everything that is measured on spikes."""

from collections.abc import Iterator

import numpy as np

from spikemill.services.binner.binning import BinEdges, count_window, finite_range, lay_edges, to_bins
from spikemill.services.binner.chunks import cut_segments
from spikemill.services.binner.readers.base import SpikeTrains

BIN_SIZE = 0.02
SAMPLES_PER_SECOND = 30_000
# The published dataset has 0.098 spikes per bin and an order-0 entropy of 0.47 bits: 4.9 Hz.
PUBLISHED_HZ = 4.9
# A sparser hour, of an order-0 entropy of 0.35 bits: what the encodings were first compared on.
SPARSE_HZ = 3.1


def make_hour(mean_hz: float, n_units: int = 600, seconds: int = 3600) -> SpikeTrains:
    """Draw an hour of Poisson units with log-normal rates, on a 30 kHz grid, in order within each unit."""
    random = np.random.default_rng(20)
    rates = random.lognormal(0.0, 1.0, n_units)
    sizes = random.poisson(rates * (mean_hz / rates.mean()) * seconds)
    samples = [np.sort(random.integers(0, seconds * SAMPLES_PER_SECOND, size)) for size in sizes]
    return SpikeTrains(np.concatenate(samples) / SAMPLES_PER_SECOND, np.cumsum(sizes))


def units_of(recording: SpikeTrains) -> list[np.ndarray]:
    """Return each unit's spike times, seconds."""
    return np.split(recording.spike_times, recording.ends[:-1])


def lay(recording: SpikeTrains) -> BinEdges:
    """Lay 20 ms bins over a recording."""
    spanned = finite_range([recording])
    if spanned is None:
        raise ValueError("the recording holds no spike")
    return lay_edges(*spanned, bin_size=BIN_SIZE, origin="zero", max_hours=48)


def count_rows(recording: SpikeTrains) -> Iterator[np.ndarray]:
    """Count a recording, which is used up, row by row as the binner does: uint8, units x bins."""
    edges = lay(recording)
    part = to_bins(recording, edges)
    for segment in cut_segments(recording.n_units, edges.n_bins):
        yield count_window([part], segment.first_bin, segment.stop_bin)
