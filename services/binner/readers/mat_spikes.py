"""The reader of MAT files with a struct array `spks`: spike times and clusters of each probe."""

from dataclasses import dataclass
from io import IOBase
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikemill.services.binner.readers.base import WAY_OUT, RecordingFile, SpikeTrains, as_stream, reading
from spikemill.services.common.errors import RecordingError

_SPIKES = "spks"
_TIMES, _CLUSTERS = "st", "clu"
# More clusters than any probe has: an id above it is no id, and with `keep_absent` a matrix of silence.
_LARGEST_ID = 65_535


class _Probe(NamedTuple):
    """Each spike's time in seconds and its cluster's id, at least 1; both of shape (n_spikes,)."""

    seconds: NDArray[np.float64]
    clusters: NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class MatSpikes:
    """Reads the spikes of all probes, one unit per cluster id, in the order of probes and of ids.

    Ids count from 1. Ids without a spike, up to the highest of their probe, are silent units if
    `keep_absent`, else they are left out. The whole struct is in memory at once, up to 20 bytes per spike.
    """

    keep_absent: bool = False

    def read(self, file: RecordingFile) -> SpikeTrains:
        """Read all probes of the file.

        Raises `RecordingError` where it is no MAT file of version 5, holds no struct array `spks` with the
        fields `st` and `clu`, or where a spike has no time or no cluster.
        """
        with reading(file) as source, as_stream(source) as content:
            return _stack(_read_probes(content), keep_absent=self.keep_absent)

    def subject_id(self, _file: RecordingFile) -> None:
        """Return None: such a file does not say who was recorded."""


def _read_probes(content: IOBase) -> list[_Probe]:
    spks = _load(content).get(_SPIKES)
    if spks is None:
        raise RecordingError(f"the file has no {_SPIKES}, so no spikes; exclude it in the catalogue")
    if not isinstance(spks, np.ndarray) or spks.dtype.names is None or spks.size == 0:
        raise RecordingError(f"its {_SPIKES} is not an array of structs, one for each probe; {WAY_OUT}")
    if missing := [name for name in (_TIMES, _CLUSTERS) if name not in spks.dtype.names]:
        raise RecordingError(
            f"its {_SPIKES} has no field {' and no field '.join(missing)}, "
            f"only {', '.join(spks.dtype.names)}; {WAY_OUT}"
        )
    return [_probe(struct, number) for number, struct in enumerate(spks.ravel(), start=1)]


def _load(content: IOBase) -> dict[str, Any]:
    # Most sources are NWB; scipy is loaded only where one is not.
    from scipy.io import loadmat  # noqa: PLC0415

    try:
        loaded: dict[str, Any] = loadmat(content, variable_names=[_SPIKES])
    except MemoryError:
        raise
    except NotImplementedError as error:
        raise RecordingError(
            "this is a MAT file of version 7.3, only version 5 is read; "
            "save it again with save(..., '-v7'), or exclude it in the catalogue"
        ) from error
    except Exception as error:  # on damaged bytes scipy raises any error
        raise RecordingError(
            "this is not a MAT file of version 5, or it is damaged; "
            "fetch it again, or exclude it in the catalogue"
        ) from error
    return loaded


def _probe(struct: np.void, number: int) -> _Probe:
    seconds, clusters = (_column(struct[name], name, number) for name in (_TIMES, _CLUSTERS))
    if len(seconds) != len(clusters):
        raise RecordingError(
            f"probe {number} has {len(seconds):,} times in {_TIMES}, but {len(clusters):,} clusters in "
            f"{_CLUSTERS}, so spikes cannot be given to units; {WAY_OUT}"
        )
    return _Probe(np.asarray(seconds, np.float64), _ids(clusters, number))


def _column(values: Any, name: str, number: int) -> NDArray[Any]:
    """Return a field's numbers; MATLAB stores a list as a matrix of one row or one column."""
    if (
        not isinstance(values, np.ndarray)
        or values.dtype.kind not in "fiu"
        or values.size > max(values.shape)
    ):
        raise RecordingError(f"{name} of probe {number} is not a list of numbers; {WAY_OUT}")
    return values.ravel()


def _ids(clusters: NDArray[Any], number: int) -> NDArray[np.uint16]:
    """Return the ids as whole numbers, refused where they are none that count from 1."""
    if not clusters.size:
        return np.empty(0, np.uint16)
    if clusters.dtype.kind == "f" and not (clusters == np.floor(clusters)).all():
        raise RecordingError(f"{_CLUSTERS} of probe {number} holds a number that is not whole; {WAY_OUT}")
    smallest, largest = clusters.min(), clusters.max()
    if smallest < 1:
        raise RecordingError(
            f"the smallest id in {_CLUSTERS} of probe {number} is {smallest:.0f}, and ids count from 1; "
            f"{WAY_OUT}"
        )
    if largest > _LARGEST_ID:
        raise RecordingError(
            f"the largest id in {_CLUSTERS} of probe {number} is {largest:,.0f}, and no probe has so many "
            f"clusters; {WAY_OUT}"
        )
    return clusters.astype(np.uint16)


def _stack(probes: list[_Probe], *, keep_absent: bool) -> SpikeTrains:
    """Put the probes' spikes cluster by cluster into one array; empties the list to free memory."""
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
