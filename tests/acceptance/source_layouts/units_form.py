"""NWB files with a units table."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import h5py
import numpy as np

from spikemill.services.cli.made_up import declare
from tests.acceptance.source_layouts.nwb_files import add_signal, new_nwb
from tests.acceptance.source_layouts.nwb_tables import add_column, add_ragged, create_table
from tests.acceptance.source_layouts.reference import Counts, counts_of_trains
from tests.acceptance.source_layouts.spikes import Times, generator, spike_trains


@dataclass(frozen=True, slots=True)
class UnitsForm:
    """A units table as one source writes it.

    `index_type` is the type of all its indices and `id_type` that of its ids. The columns with a value per
    spike lie in one piece, or in deflated chunks of `chunk` values. `per_spike`, `per_unit` and `texts` name
    the columns beside the spike times: with a number per spike, a number per unit, a text per unit.
    `waveform` is the shape of each unit's mean waveform, `intervals` the number of its observation intervals,
    `silent` names the units without a spike. `place` is where the table stands in the file; the first
    `curated` of its units stand in /units again. `signal` is the size of the recorded signal in the same
    file, in bytes.
    """

    index_type: str = "uint32"
    id_type: str = "int64"
    chunk: int | None = None
    per_spike: tuple[str, ...] = ()
    per_unit: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    waveform: tuple[int, ...] = ()
    intervals: int = 0
    silent: tuple[int, ...] = ()
    place: str = "units"
    curated: int = 0
    signal: int = 0
    units: int = 9
    seconds: int = 25

    @property
    def needed(self) -> Sequence[str]:
        """The spike times and their index."""
        return (f"{self.place}/spike_times", f"{self.place}/spike_times_index")

    def write(self, name: str, file: Path) -> None:
        """Write the file that has this path in its archive."""
        trains = self._trains(name)
        with new_nwb(name, file) as nwb:
            if self.signal:
                add_signal(nwb, self.signal)
            self._write_units(nwb, self.place, trains)
            if self.curated:
                self._write_units(nwb, "units", trains[: self.curated])

    def counts(self, names: Sequence[str]) -> Counts:
        """Stack the units of all files on one clock."""
        return counts_of_trains([train for name in names for train in self._trains(name)])

    def _trains(self, name: str) -> list[Times]:
        return spike_trains(name, self.units, self.seconds, self.silent)

    def _write_units(self, nwb: h5py.File, place: str, trains: Sequence[Times]) -> None:
        """Write a table of these units; the spike times come after everything that nobody asks for."""
        _require_module(nwb, place)
        table = create_table(nwb, place, np.arange(len(trains), dtype=self.id_type), self._columns())
        self._add_descriptions(table, len(trains))
        ends = np.cumsum([len(train) for train in trains]).astype(self.index_type)
        times = np.concatenate(trains)
        for column in self.per_spike:
            add_ragged(table, column, generator(column).random(len(times)), ends, chunk=self.chunk)
        add_ragged(table, "spike_times", times, ends, chunk=self.chunk)

    def _columns(self) -> list[str]:
        columns = [*self.per_unit, *self.texts]
        columns += ["waveform_mean"] if self.waveform else []
        columns += ["obs_intervals"] if self.intervals else []
        return [*columns, *self.per_spike, "spike_times"]

    def _add_descriptions(self, table: h5py.Group, units: int) -> None:
        """Add what is known of each unit as a whole."""
        for column in self.per_unit:
            add_column(table, column, generator(column).random(units))
        for column in self.texts:
            add_column(table, column, np.resize(np.array(["good", "mua"]), units))
        if self.waveform:
            add_column(table, "waveform_mean", generator("waveform").random((units, *self.waveform)))
        if self.intervals:
            self._add_intervals(table, units)

    def _add_intervals(self, table: h5py.Group, units: int) -> None:
        """Say that each unit was watched trial by trial, with pauses between the trials."""
        trial = self.seconds / self.intervals
        starts = np.arange(self.intervals) * trial
        watched = np.tile(np.stack([starts, starts + 0.8 * trial], axis=1), (units, 1))
        ends = (np.arange(units) + 1) * self.intervals
        add_ragged(table, "obs_intervals", watched, ends.astype(self.index_type))


def _require_module(nwb: h5py.File, place: str) -> None:
    """Create the processing module in which the table stands, if it stands in one."""
    module = str(PurePosixPath(place).parent)
    if module != ".":
        declare(nwb.create_group(module), "ProcessingModule", description=module)
