"""MATLAB files with the clustered spikes of eight probes, as figshare's article 7739750 has them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.io import savemat

from tests.acceptance.source_layouts.reference import Counts
from tests.acceptance.source_layouts.spikes import BIN, Times, generator

Probe = tuple[Times, NDArray[np.int64]]

_PROBES = 8


@dataclass(frozen=True, slots=True)
class ProbesForm:
    """A struct array `spks`, 1 x 8: of each probe the spike times, their clusters, the clusters' heights.

    Clusters count from 1; some ids of a probe have no spike. The clock starts about an hour before the first
    spike, and the probes do not start together.
    """

    clusters: int = 6
    spikes: int = 900
    seconds: int = 20

    @property
    def needed(self) -> Sequence[str]:
        """None: the file is read whole."""
        return ()

    def write(self, name: str, file: Path) -> None:
        """Write the file that has this path in its archive."""
        fields = [("st", object), ("clu", object), ("Wheights", object)]
        probes = np.zeros((1, _PROBES), dtype=fields)
        for number, (times, clusters) in enumerate(self._probes(name)):
            heights = np.arange(self.clusters, dtype=np.float64)[:, np.newaxis] * 20
            probes[0, number] = (times[:, np.newaxis], clusters[:, np.newaxis].astype(np.float64), heights)
        savemat(file, {"spks": probes}, do_compression=True)

    def counts(self, names: Sequence[str]) -> Counts:
        """Count the spikes of the only file one by one, by the rule of the original.

        It misses a bin where a spike lies on an edge, so that the made-up spikes keep away from the edges.
        """
        [name] = names
        probes = self._probes(name)
        first = min(times.min() for times, _ in probes)
        last = max(times.max() for times, _ in probes)
        units = sum(int(clusters.max()) for _, clusters in probes)
        counts = np.zeros((units, ceil((last - first) / BIN)), np.uint8)
        above = 0
        for times, clusters in probes:
            for time, cluster in zip(times, clusters, strict=True):
                counts[above + cluster - 1, int((time - first) / BIN)] += 1
            above += int(clusters.max())
        return counts

    def _probes(self, name: str) -> list[Probe]:
        """Draw each probe's spike times in seconds, ascending, and the cluster of each."""
        numbers = generator(name)
        clock = 3600 + int(numbers.integers(0, 300))
        return [self._probe(numbers, clock + probe // 2, probe) for probe in range(_PROBES)]

    def _probe(self, numbers: Generator, start: float, probe: int) -> Probe:
        bins = numbers.integers(1, int(self.seconds / BIN), self.spikes)
        inside = numbers.uniform(0.1, 0.9, self.spikes)
        times = np.sort(start + (bins + inside) * BIN)
        clusters = numbers.integers(1, self.clusters + 1, self.spikes)
        absent = 1 + probe % (self.clusters - 1)
        clusters[clusters == absent] = self.clusters
        return times, clusters
