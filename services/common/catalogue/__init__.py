"""The catalogue: what to build, as a TOML file says it."""

from services.common.catalogue.loading import load_catalogue
from services.common.catalogue.models import Catalogue, source_from_record
from services.common.catalogue.sources import DandiSource, FigshareSource, FilesSource, Source
from services.common.catalogue.tables import Expectation, Pile

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
