"""The reader of NWB 2 files with a units table."""

from dataclasses import dataclass

from services.binner.readers.base import RecordingFile, SpikeTrains
from services.binner.readers.nwb_file import open_nwb
from services.binner.readers.nwb_subject import read_subject_id
from services.binner.readers.units_table import read_units


@dataclass(frozen=True, slots=True)
class NwbUnits:
    """Reads the spikes in two bulk reads, and what describes the session through pynwb.

    `table` is the path of the units table in the file. The counts need no metadata, so a file whose
    metadata pynwb refuses is still counted. Its subject is then not guessed: it has to stand in the file's
    path.
    """

    table: str = "units"

    def read(self, file: RecordingFile) -> SpikeTrains:
        """Read all rows of the units table, without any filter of quality."""
        with open_nwb(file) as content:
            return read_units(content, self.table, file.expect)

    def subject_id(self, file: RecordingFile) -> str | None:
        """Return the subject's id, None where the file has no subject or an empty id."""
        with open_nwb(file) as content:
            return read_subject_id(content)
