"""NWB files with firing rates in place of a units table, as dandiset 000405 has them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from spikemill.services.cli.made_up import DESCRIPTION, declare
from tests.acceptance.source_layouts.nwb_files import new_nwb
from tests.acceptance.source_layouts.nwb_tables import add_column, create_table
from tests.acceptance.source_layouts.reference import Counts, counts_of_trains
from tests.acceptance.source_layouts.spikes import generator, spike_trains

_BINS_PER_SECOND = 50
_WINDOW = 11


@dataclass(frozen=True, slots=True)
class RatesForm:
    """Spikes per second in bins of 20 ms, smoothed over 11 bins, time x units."""

    units: int = 7
    seconds: int = 25

    @property
    def needed(self) -> Sequence[str]:
        """The rates."""
        return ("acquisition/firing_rates/data",)

    def write(self, name: str, file: Path) -> None:
        """Write the file that has this path in its archive."""
        with new_nwb(name, file) as nwb:
            _write_series(nwb, "firing_rates", self._rates(name))
            _write_series(nwb, "track_data", generator(f"{name} track").random((len(self._rates(name)), 5)))
            ids = np.arange(self.units)
            columns = ["cl_name", "unit_type", "uuid"]
            table = create_table(nwb, "acquisition/unit_table", ids, columns)
            add_column(table, "cl_name", np.array([f"tt1_{unit}" for unit in ids]))
            add_column(table, "unit_type", np.array(["cell"] * self.units))
            add_column(table, "uuid", ids)

    def counts(self, names: Sequence[str]) -> Counts:
        """Round the rates of the only file, divided by the bins in a second, as the original did."""
        [name] = names
        return np.round(self._rates(name).T / _BINS_PER_SECOND).astype(np.uint8)

    def _rates(self, name: str) -> NDArray[np.float64]:
        """Smooth the counts with a filter that dips below zero beside each spike, as the original one does.

        The first unit is not smoothed but made larger by half, where 1.5 must become 2, and 4.5 become 4.
        """
        counts = counts_of_trains(spike_trains(name, self.units, self.seconds)).astype(np.float64)
        smooth = np.array([np.convolve(unit, _window(), mode="same") for unit in counts])
        smooth[0] = 1.5 * counts[0]
        return np.ascontiguousarray(smooth.T * _BINS_PER_SECOND)


def _window() -> NDArray[np.float64]:
    window = np.asarray(np.hanning(_WINDOW) - 0.05, np.float64)
    window /= window.sum()
    return window


def _write_series(nwb: h5py.File, name: str, data: NDArray[np.float64]) -> None:
    series = nwb.create_group(f"acquisition/{name}")
    declare(series, "TimeSeries", description=DESCRIPTION, comments="no comments")
    values = series.create_dataset("data", data=data)
    for key, value in {"conversion": 1.0, "offset": 0.0, "resolution": -1.0, "unit": "uv"}.items():
        values.attrs[key] = value
    start = series.create_dataset("starting_time", data=np.float64(0))
    start.attrs["rate"] = np.float32(_BINS_PER_SECOND)
    start.attrs["unit"] = "seconds"
