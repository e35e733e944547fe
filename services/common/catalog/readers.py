"""The registry of readers: the name of each, its options, what it needs of a file, and what it yields."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field, JsonValue, ValidationError
from pydantic_core import PydanticKnownError

from spikemill.services.common.catalog.tables import Table, Text


class _NwbUnits(Table):
    table: Text = Field(
        "units", description='the path of the units table: table = "processing/ecephys/units"'
    )


class _NwbRates(Table):
    series: Text = Field(
        "acquisition/firing_rates",
        description='the path of the series of rates: series = "acquisition/firing_rates"',
    )


class _MatSpikes(Table):
    keep_absent: bool = Field(
        default=False, description="true keeps ids without a spike as silent units: keep_absent = true"
    )


@dataclass(frozen=True, slots=True)
class ReaderEntry:
    """A reader, as a source names it.

    `factory` is a module of `services/binner/readers` and the class in it, which only the binner loads. A
    reader that `needs_whole_file` gains nothing from fetching parts. The counts of one that
    `yields_estimates` are marked as estimated.
    """

    factory: str
    options: type[Table] = Table
    needs_whole_file: bool = False
    yields_estimates: bool = False


READERS: dict[str, ReaderEntry] = {
    "nwb-units": ReaderEntry("nwb:NwbUnits", _NwbUnits),
    "nwb-rates": ReaderEntry("nwb_rates:NwbRates", _NwbRates, yields_estimates=True),
    "mat-spikes": ReaderEntry("mat_spikes:MatSpikes", _MatSpikes, needs_whole_file=True),
}


def _known(name: str) -> str:
    if name not in READERS:
        raise PydanticKnownError("literal_error", {"expected": ", ".join(map(repr, READERS))})
    return name


ReaderName = Annotated[str, AfterValidator(_known)]


def estimating_readers() -> frozenset[str]:
    """Return the readers whose counts are estimates."""
    return frozenset(name for name, entry in READERS.items() if entry.yields_estimates)


def whole_file_readers() -> frozenset[str]:
    """Return the readers that need all bytes of a file."""
    return frozenset(name for name, entry in READERS.items() if entry.needs_whole_file)


def require_options(reader: str, options: Mapping[str, JsonValue]) -> None:
    """Raise `ValueError` for an option that the reader does not have, or a value that the option refuses."""
    table = READERS[reader].options
    if unknown := sorted(options.keys() - table.model_fields.keys()):
        raise ValueError(
            f"{', '.join(unknown)}: not an option of the reader {reader}, "
            f"which takes {', '.join(sorted(table.model_fields)) or 'none'}"
        )
    try:
        table.model_validate(options)
    except ValidationError as error:
        wrong = [str(details["loc"][0]) for details in error.errors()]
        lines = [
            f"{name} cannot be {json.dumps(options[name])}; {table.model_fields[name].description}"
            for name in wrong
        ]
        raise ValueError("; ".join(lines)) from error
