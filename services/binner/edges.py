"""The edges of a session's bins: those of `numpy.arange`, without ever making them."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from services.common.errors import RecordingError

Origin = Literal["zero", "first-spike"]

SECONDS_PER_HOUR = 3600
# With at least this many float64 values in a bin, every rounding below stays under the bias (see `locate`).
_VALUES_PER_BIN = 4096
_BIAS = 2.0**-8


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


def lay_edges(
    earliest: float, latest: float, *, bin_size: float, origin: Origin, max_hours: float
) -> BinEdges:
    """Lay bins from zero, or from the first spike, over the finite spike times of a session (seconds).

    Equal to `numpy.arange(first, latest + bin_size, bin_size)`. Raises `RecordingError` for a recording
    that is too long, has no bin, or lies so far from zero that float64 cannot tell its bins apart.
    """
    first = 0.0 if origin == "zero" else earliest
    _require_length(latest - first, latest, max_hours)
    if np.spacing(max(abs(first), abs(latest))) * _VALUES_PER_BIN > bin_size:
        raise RecordingError(
            f"its clock stands at {latest:,.0f} seconds, too far from zero for bins of {bin_size} s; "
            "are the times in milliseconds, or in samples?"
        )
    n_bins = math.ceil((latest + bin_size - first) / bin_size) - 1
    if n_bins < 1:
        raise RecordingError(
            f"its last spike is at {latest} s, which leaves no bin to count in from {first} s on; "
            'if its clock runs below zero, set origin = "first-spike" in the catalogue'
        )
    return BinEdges(first, (first + bin_size) - first, n_bins)


def _require_length(seconds: float, latest: float, max_hours: float) -> None:
    """Raise where the recording is longer than the catalogue allows."""
    hours = seconds / SECONDS_PER_HOUR
    if hours > max_hours:
        raise RecordingError(
            f"its last spike is at {latest:,.0f} seconds, which makes {hours:,.0f} hours and is more than "
            f"max_hours = {max_hours:g}; are the times in milliseconds, or in samples? "
            "Exclude it, or raise max_hours in the catalogue if it is that long"
        )
