"""The options that each reader takes: what a catalogue may say in `reader_options`."""

import json
from collections.abc import Mapping

from pydantic import Field, JsonValue, ValidationError

from spikemill.services.common.catalog.tables import Table, Text

ESTIMATING_READERS = frozenset({"nwb-rates"})
"""Readers of files without spikes: the counts that they give were estimated, and are marked so."""
WHOLE_FILE_READERS = frozenset({"mat-spikes"})
"""Readers that need all of a file's bytes, so that nothing is won by fetching parts of it."""


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


READER_OPTIONS: Mapping[str, type[Table]] = {
    "nwb-units": _NwbUnits,
    "nwb-rates": _NwbRates,
    "mat-spikes": _MatSpikes,
}


def require_options(reader: str, options: Mapping[str, JsonValue]) -> None:
    """Raise `ValueError` for an option that the reader does not take, or a value that the option does not."""
    table = READER_OPTIONS[reader]
    if unknown := sorted(options.keys() - table.model_fields.keys()):
        raise ValueError(
            f"{', '.join(unknown)}: not an option of the reader {reader}, "
            f"which takes {', '.join(sorted(table.model_fields))}"
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
