"""A reader is one module and one entry: the example of CONTRIBUTING, taken literally."""

from pathlib import Path
from typing import cast

import numpy as np
import pytest

from spikemill.services.binner.readers import make_reader
from spikemill.services.binner.readers.base import CopiedFile, SpikeTrains
from spikemill.services.common.catalog import load_catalogue
from spikemill.services.common.catalog.readers import READERS, ReaderEntry, whole_file_readers
from spikemill.services.common.errors import CatalogueError, RecordingError
from tests.samples.contributing import load_example_module, registry_entry


@pytest.fixture
def csv_spikes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load the module of the example, and make its entry in the registry."""
    load_example_module("services/binner/readers/csv_spikes.py", monkeypatch)
    entry = registry_entry("csv-spikes", {"ReaderEntry": ReaderEntry})
    monkeypatch.setitem(READERS, "csv-spikes", cast("ReaderEntry", entry))


def catalogue(folder: Path, *more: str) -> Path:
    """Write the catalogue of a lab whose files such a reader reads."""
    path = folder / "lab.toml"
    lines = ["[pile]", 'name = "lab"', "[[source]]", 'name = "lab"', 'archive = "files"', 'identifier = "."']
    path.write_text("\n".join([*lines, 'include = ["**/*.csv"]', 'reader = "csv-spikes"', *more, ""]))
    return path


def test_without_its_entry_the_reader_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match='reader: "csv-spikes" is not known; known:'):
        load_catalogue(catalogue(tmp_path))


@pytest.mark.usefixtures("csv_spikes")
def test_a_source_may_name_the_reader_and_its_files_are_read(tmp_path: Path) -> None:
    [source] = load_catalogue(catalogue(tmp_path)).sources
    (tmp_path / "a.csv").write_text("1,0.5\n0,0.25\n1,0.1\n")
    found = make_reader(source.reader, source.reader_options).read(CopiedFile(tmp_path / "a.csv"))
    assert isinstance(found, SpikeTrains)
    assert found.n_units == 2
    assert np.array_equal(found.spike_times, [0.25, 0.5, 0.1])
    (tmp_path / "b.csv").write_text("one,two\n")
    with pytest.raises(RecordingError, match="this is no list of unit,seconds"):
        make_reader(source.reader, {}).read(CopiedFile(tmp_path / "b.csv"))


@pytest.mark.usefixtures("csv_spikes")
def test_what_its_entry_says_holds_for_sources(tmp_path: Path) -> None:
    assert "csv-spikes" in whole_file_readers()
    with pytest.raises(CatalogueError, match="not an option of the reader csv-spikes, which takes none"):
        load_catalogue(catalogue(tmp_path, "reader_options = { a = 1 }"))
