"""The generated files are what they are meant to be: other people's tools read them."""

from pathlib import Path

import h5py
import numpy as np
import pynwb
import pytest
from scipy.io import loadmat

from standins.archive.content import ArchiveFile
from tests.acceptance.source_layouts.layouts import SourceLayout
from tests.acceptance.source_layouts.rodent_layouts import RODENT_LAYOUTS

BY_NAME = {layout.name: layout for layout in RODENT_LAYOUTS}


def _first_file(name: str, folder: Path) -> tuple[SourceLayout, ArchiveFile]:
    layout = BY_NAME[name]
    return layout, next(iter(layout.selected(folder)))


@pytest.mark.parametrize("name", ["vbn", "ibl", "finkelstein", "prince"])
def test_pynwb_reads_the_units(name: str, tmp_path: Path) -> None:
    layout, file = _first_file(name, tmp_path)
    with pynwb.NWBHDF5IO(file.content, "r", load_namespaces=True) as io:
        session = io.read()
        units = session.units
        trains = [units["spike_times"][unit] for unit in range(len(units.id))]
        assert session.subject.subject_id == layout.sessions[0].subject.removeprefix("sub-")
    last = max(train.max() for train in trains if len(train))
    edges = np.arange(0, last + 0.02, 0.02)
    found = np.array([np.histogram(train, edges)[0] for train in trains])
    assert np.array_equal(found, layout.form.counts([file.path]))


def test_pynwb_finds_rates_and_no_units(tmp_path: Path) -> None:
    layout, file = _first_file("gonzalez", tmp_path)
    with pynwb.NWBHDF5IO(file.content, "r", load_namespaces=True) as io:
        session = io.read()
        assert session.units is None
        rates = session.acquisition["firing_rates"]
        assert (rates.rate, rates.starting_time, rates.unit) == (50.0, 0.0, "uv")
        assert rates.data[:].min() < 0
        assert np.array_equal((rates.data[:].T / 50).round().clip(0), layout.form.counts([file.path]))


def test_the_probes_are_a_struct_of_one_by_eight(tmp_path: Path) -> None:
    _, file = _first_file("steinmetz-2", tmp_path)
    assert isinstance(file.content, Path)
    spks = loadmat(file.content)["spks"]
    assert spks.shape == (1, 8)
    assert spks.dtype.names == ("st", "clu", "Wheights")
    times, clusters, heights = spks[0, 0]
    assert times.shape == clusters.shape == (900, 1)
    assert times[0, 0] > 3600
    assert set(clusters[:, 0]) == {2, 3, 4, 5, 6}
    assert len(heights) == 6


def _index_types() -> dict[str, str]:
    """Return the type of the index in the files of each source with units, as published descriptions say."""
    narrow = {"giocomo": "uint16", "li": "int32"}
    wide = dict.fromkeys(("steinmetz", "vcn", "vcn-2"), "int64")
    without = {"gonzalez", "steinmetz-2"}
    return {name: "uint32" for name in BY_NAME if name not in without} | narrow | wide


@pytest.mark.parametrize(("name", "index_type"), _index_types().items())
def test_the_index_has_the_type_of_the_real_files(name: str, index_type: str, tmp_path: Path) -> None:
    _, file = _first_file(name, tmp_path)
    with h5py.File(file.content) as opened:
        assert opened["units/spike_times_index"].dtype == index_type


def test_ibl_is_deflated_in_chunks_and_vcn_lies_in_one_piece(tmp_path: Path) -> None:
    for name, compression in (("ibl", "gzip"), ("vcn", None)):
        _, file = _first_file(name, tmp_path)
        with h5py.File(file.content) as opened:
            times = opened["units/spike_times"]
            assert times.compression == compression
            if compression:
                assert times.id.get_num_chunks() > 2


def test_a_twin_has_the_units_of_its_session_and_other_bytes(tmp_path: Path) -> None:
    layout, session = _first_file("v2h", tmp_path)
    twin = next(iter(layout.left(tmp_path)))
    assert twin.path.endswith("_image.nwb")
    with h5py.File(session.content) as one, h5py.File(twin.content) as other:
        assert np.array_equal(one["units/spike_times"], other["units/spike_times"])
    assert session.blob_id != twin.blob_id
