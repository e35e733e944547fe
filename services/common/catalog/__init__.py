"""The catalogue: a TOML file that says what to build."""

from spikemill.services.common.catalog.load import load_catalogue
from spikemill.services.common.catalog.schema import (
    Catalogue,
    DandiSource,
    FigshareSource,
    FilesSource,
    Source,
    source_from_record,
)
from spikemill.services.common.catalog.tables import Expectation, Pile

__all__ = [
    "Catalogue",
    "DandiSource",
    "Expectation",
    "FigshareSource",
    "FilesSource",
    "Pile",
    "Source",
    "load_catalogue",
    "source_from_record",
]
