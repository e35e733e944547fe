"""The reader of NWB 2 files with a units table."""

from dataclasses import dataclass
from pathlib import Path

from services.binner.readers.base import Recording
from services.binner.readers.nwb_file import open_nwb
from services.binner.readers.nwb_subject import read_subject_id
from services.binner.readers.units_table import read_units


@dataclass(frozen=True, slots=True)
class NwbUnits:
    """Reads the spikes in two bulk reads, and what describes the session through pynwb.

    The counts need no metadata, so a file whose metadata pynwb refuses is still counted. Its subject is
    then not guessed: it has to stand in the file's path.
    """

    def read(self, path: Path) -> Recording:
        """Read all rows of the units table, without any filter of quality."""
        with open_nwb(path) as file:
            return read_units(file)

    def subject_id(self, path: Path) -> str | None:
        """Return the subject's id, None where the file has no subject or an empty id."""
        with open_nwb(path) as file:
            return read_subject_id(file)
