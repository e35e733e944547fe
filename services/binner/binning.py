"""All recordings of a session on the same bins, whether they hold spikes or counts already."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from services.binner.counting import Part
from services.binner.edges import SECONDS_PER_HOUR, Origin, lay_edges
from services.binner.readers import EstimatedCounts, Recording, SpikeTrains
from services.binner.spike_bins import finite_range, to_bins
from services.common.errors import RecordingError

# Over two days, an error in the width of a bin that is this share of it adds up to less than nine bins.
_SAME_WIDTH = 1e-6


@dataclass(frozen=True, slots=True)
class BinnedRecordings:
    """A session's recordings, ready to be counted in bins 0 to `n_bins`, one's units below the other's.

    `left_out` is how many spikes are in no bin, or how many cells had no number for a rate.
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
        """How many cells hold another count than a uint8 can."""
        return sum(part.clipped for part in self.parts)


def bin_recordings(
    recordings: Sequence[Recording], *, bin_size: float, origin: Origin, max_hours: float
) -> BinnedRecordings:
    """Put a session's recordings on the same bins; spike trains cannot be used after this.

    Raises `RecordingError` where there are no bins to put them on.
    """
    trains = [recording for recording in recordings if isinstance(recording, SpikeTrains)]
    estimates = [recording for recording in recordings if isinstance(recording, EstimatedCounts)]
    if trains and estimates:
        raise RecordingError(
            "some files of the session hold spikes and others rates, which are no counts of the same kind; "
            "correct `group` in the catalogue"
        )
    if estimates:
        return _line_up(estimates, bin_size=bin_size, max_hours=max_hours)
    return _bin_spikes(trains, bin_size=bin_size, origin=origin, max_hours=max_hours)


def _bin_spikes(
    trains: Sequence[SpikeTrains], *, bin_size: float, origin: Origin, max_hours: float
) -> BinnedRecordings:
    """Lay bins over all spikes and put each into its own."""
    n_spikes = sum(len(recording.spike_times) for recording in trains)
    spanned = finite_range(trains)
    if spanned is None:
        raise RecordingError("there is no spike with a finite time; exclude it in the catalogue")
    edges = lay_edges(*spanned, bin_size=bin_size, origin=origin, max_hours=max_hours)
    parts = [to_bins(recording, edges) for recording in trains]
    return BinnedRecordings(parts, edges.n_bins, n_spikes - sum(part.spikes for part in parts))


def _line_up(estimates: Sequence[EstimatedCounts], *, bin_size: float, max_hours: float) -> BinnedRecordings:
    """See that the samples of all files are the catalogue's bins, and the same ones."""
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
    hours = first.n_bins * bin_size / SECONDS_PER_HOUR
    if hours > max_hours:
        raise RecordingError(
            f"its {first.n_bins:,} samples make {hours:,.0f} hours, more than max_hours = {max_hours:g}; "
            "exclude it, or raise max_hours in the catalogue if it is that long"
        )
    return BinnedRecordings(estimates, first.n_bins, sum(estimate.left_out for estimate in estimates))
