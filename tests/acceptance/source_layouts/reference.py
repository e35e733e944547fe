"""The counts that a session must have, as numpy makes them: nothing here is spikemill's own."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tests.acceptance.source_layouts.spikes import BIN, Times

Counts = NDArray[np.uint8]


def counts_of_trains(trains: Sequence[Times]) -> Counts:
    """Count units x bins from time zero to the last spike of all units."""
    edges = np.arange(0, max(train.max() for train in trains if train.size) + BIN, BIN)
    counts = np.array([np.histogram(train, edges)[0] for train in trains], np.int64)
    return counts.clip(max=255).astype(np.uint8)
