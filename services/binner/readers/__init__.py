"""The readers by the name that a catalogue gives them."""

from collections.abc import Callable, Mapping
from typing import Any

from spikemill.services.binner.readers.base import (
    CopiedFile,
    EstimatedCounts,
    Reader,
    Recording,
    RecordingFile,
    SpikeTrains,
)
from spikemill.services.binner.readers.mat_spikes import MatSpikes
from spikemill.services.binner.readers.nwb import NwbUnits
from spikemill.services.binner.readers.nwb_rates import NwbRates
from spikemill.services.common.errors import CatalogueError

__all__ = [
    "READERS",
    "CopiedFile",
    "EstimatedCounts",
    "Reader",
    "Recording",
    "RecordingFile",
    "SpikeTrains",
    "make_reader",
]

READERS: dict[str, Callable[..., Reader]] = {
    "nwb-units": NwbUnits,
    "nwb-rates": NwbRates,
    "mat-spikes": MatSpikes,
}


def make_reader(name: str, options: Mapping[str, Any]) -> Reader:
    """Return the reader of that name with its options; raise `CatalogueError` where either is unknown."""
    if name not in READERS:
        raise CatalogueError(f'there is no reader "{name}"; the readers are: {", ".join(sorted(READERS))}')
    try:
        return READERS[name](**options)
    except TypeError as error:
        given = ", ".join(options)
        raise CatalogueError(f'the reader "{name}" does not understand reader_options: {given}') from error
