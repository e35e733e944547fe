"""A reader is one module and one entry: the example of CONTRIBUTING, taken literally."""

import re
import sys
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from spikemill.services.binner.readers import CopiedFile, SpikeTrains, make_reader
from spikemill.services.common.catalog import load_catalogue
from spikemill.services.common.catalog.readers import READERS, ReaderEntry, whole_file_readers
from spikemill.services.common.errors import CatalogueError, RecordingError

CONTRIBUTING = Path(__file__).parents[4] / "CONTRIBUTING.md"


@pytest.fixture
def csv_spikes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write the module of the example, and its entry in the registry."""
    text = CONTRIBUTING.read_text()
    module = re.search(r"```python\n# services/binner/readers/csv_spikes\.py\n(.*?)```", text, re.DOTALL)
    entry = re.search(r'```python\n    "csv-spikes": (ReaderEntry\(.*?\)),\n```', text, re.DOTALL)
    assert module
    assert entry
    name = "spikemill.services.binner.readers.csv_spikes"
    made: ModuleType = module_from_spec(spec_from_loader(name, loader=None))  # type: ignore[arg-type]
    exec(module[1], made.__dict__)  # noqa: S102 - the page of this checkout
    monkeypatch.setitem(sys.modules, name, made)
    monkeypatch.setitem(READERS, "csv-spikes", eval(entry[1], {"ReaderEntry": ReaderEntry}))  # noqa: S307


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
