"""What every form of recording can do."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from tests.acceptance.source_layouts.reference import Counts


class Form(Protocol):
    """How a source keeps its recordings; what a file holds follows from its path in the archive."""

    @property
    def needed(self) -> Sequence[str]:
        """The datasets of an HDF5 file that the counts are made of; none for files that are read whole."""

    def write(self, name: str, file: Path) -> None:
        """Write the file that has this path in its archive."""

    def counts(self, names: Sequence[str]) -> Counts:
        """Return the counts of the session that these files are, in the order of their paths."""
