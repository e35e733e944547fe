"""The reader of NWB 2 files that hold firing rates where others hold spikes."""

from dataclasses import dataclass

from services.binner.readers.base import EstimatedCounts, RecordingFile
from services.binner.readers.nwb_file import open_nwb
from services.binner.readers.nwb_subject import read_subject_id
from services.binner.readers.rate_series import read_rates


@dataclass(frozen=True, slots=True)
class NwbRates:
    """Estimates counts from a series of rates; `series` is its path in the file."""

    series: str = "acquisition/firing_rates"

    def read(self, file: RecordingFile) -> EstimatedCounts:
        """Read all units of the series."""
        with open_nwb(file) as content:
            return read_rates(content, self.series, file.expect)

    def subject_id(self, file: RecordingFile) -> str | None:
        """Return the subject's id, None where the file has no subject or an empty id."""
        with open_nwb(file) as content:
            return read_subject_id(content)
