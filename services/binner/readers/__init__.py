"""The readers of the registry, made by the names that a catalogue gives them."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from spikemill.services.binner.readers.base import (
    CopiedFile,
    EstimatedCounts,
    Reader,
    Recording,
    RecordingFile,
    SpikeTrains,
)
from spikemill.services.common.catalog.readers import READERS
from spikemill.services.common.errors import CatalogueError

__all__ = [
    "CopiedFile",
    "EstimatedCounts",
    "Reader",
    "Recording",
    "RecordingFile",
    "SpikeTrains",
    "make_reader",
]

# Loaded before Celery forks; otherwise each of the binner's processes would load them itself.
for _entry in READERS.values():
    import_module(f"{__name__}.{_entry.factory.partition(':')[0]}")


def make_reader(name: str, options: Mapping[str, Any]) -> Reader:
    """Return the reader of that name with its options; raise `CatalogueError` where either is unknown."""
    if name not in READERS:
        raise CatalogueError(f'there is no reader "{name}"; the readers are: {", ".join(sorted(READERS))}')
    module, _, factory = READERS[name].factory.partition(":")
    try:
        reader: Reader = getattr(import_module(f"{__name__}.{module}"), factory)(**options)
    except TypeError as error:
        given = ", ".join(options)
        raise CatalogueError(f'the reader "{name}" does not understand reader_options: {given}') from error
    return reader
