"""The readers of the registry, made by the names that a catalogue gives them."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from spikemill.services.binner.readers.base import Reader
from spikemill.services.common.catalog.readers import READERS
from spikemill.services.common.errors import CatalogueError


def make_reader(name: str, options: Mapping[str, Any]) -> Reader:
    """Return the reader of that name with its options; raise `CatalogueError` where either is unknown."""
    if name not in READERS:
        raise CatalogueError(f'there is no reader "{name}"; the readers are: {", ".join(sorted(READERS))}')
    try:
        reader: Reader = _factory(READERS[name].factory)(**options)
    except TypeError as error:
        given = ", ".join(options)
        raise CatalogueError(f'the reader "{name}" does not understand reader_options: {given}') from error
    return reader


def load_readers() -> None:
    """Import every reader: done before Celery forks, its processes need not do it each."""
    for entry in READERS.values():
        _factory(entry.factory)


def _factory(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(f"{__name__}.{module}"), name)
