"""The reader of MAT files with a struct array `spks`: a probe an element, its spikes' times and clusters."""

from dataclasses import dataclass

import numpy as np

from services.binner.readers.base import RecordingFile, SpikeTrains
from services.binner.readers.mat_probes import Probe, read_probes
from services.binner.readers.reading import as_stream, reading


@dataclass(frozen=True, slots=True)
class MatSpikes:
    """Reads the spikes of all probes, a row per cluster id in the order of probes and of ids.

    Ids count from 1. Those without a spike, up to the highest of their probe, are silent rows if
    `keep_absent`, else none. The whole struct is in memory at once, up to 20 bytes per spike.
    """

    keep_absent: bool = False

    def read(self, file: RecordingFile) -> SpikeTrains:
        """Read all probes of the file."""
        with reading(file) as source, as_stream(source) as content:
            return _stack(read_probes(content), keep_absent=self.keep_absent)

    def subject_id(self, _file: RecordingFile) -> None:
        """Return None: such a file does not say who was recorded."""


def _stack(probes: list[Probe], *, keep_absent: bool) -> SpikeTrains:
    """Put the probes' spikes cluster by cluster into one array; empties the list as it goes."""
    spike_times = np.empty(sum(len(probe.seconds) for probe in probes), np.float64)
    sizes = []
    filled = 0
    for _ in range(len(probes)):
        probe = probes.pop(0)
        spikes_of_id = np.bincount(probe.clusters)[1:]
        sizes.append(spikes_of_id if keep_absent else spikes_of_id[spikes_of_id > 0])
        order = np.argsort(probe.clusters, kind="stable")
        spike_times[filled : filled + len(order)] = probe.seconds[order]
        filled += len(order)
    return SpikeTrains(spike_times, np.cumsum(np.concatenate(sizes), dtype=np.int64))
