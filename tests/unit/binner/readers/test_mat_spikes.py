"""The reader of MAT files with a struct array of probes."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.io import savemat

from spikemill.services.binner.readers.base import CopiedFile, Reader, SpikeTrains
from spikemill.services.binner.readers.mat_spikes import MatSpikes
from spikemill.services.common.errors import AssetError, NetworkError, RecordingError
from tests.unit.binner.readers.memory_file import MemoryFile

Probe = tuple[Any, Any]
WriteMat = Callable[..., Path]
FIELDS = ("st", "clu", "Wheights")
PROBES = [([2.0, 0.5, 1.0, 3.0], [4, 1, 4, 1]), ([], []), ([0.25], [2])]


def struct_of(probes: Sequence[Probe], fields: Sequence[str] = FIELDS) -> NDArray[Any]:
    """Make the struct array, 1 x probes, each column of shape (n_spikes, 1)."""
    spks = np.zeros((1, len(probes)), [(name, object) for name in fields])
    for number, columns in enumerate(probes):
        for name in fields:
            column = columns[FIELDS.index(name)] if name in FIELDS[:2] else []
            spks[name][0, number] = np.asarray(column).reshape(-1, 1)
    return spks


@pytest.fixture
def write_mat(tmp_path: Path) -> WriteMat:
    """Write a MAT file of version 5 with these variables."""

    def write(**variables: Any) -> Path:
        path = tmp_path / "spks.mat"
        savemat(path, variables, do_compression=True)
        return path

    return write


def read(path: Path, *, keep_absent: bool = False) -> SpikeTrains:
    """Read a file of this disk."""
    return MatSpikes(keep_absent).read(CopiedFile(path))


def units_of(recording: SpikeTrains) -> list[list[float]]:
    """Return each unit's spike times."""
    return [unit.tolist() for unit in np.split(recording.spike_times, recording.ends)[:-1]]


def refusal(path: Path) -> str:
    """Return the text with which the file is refused."""
    with pytest.raises(RecordingError) as caught:
        read(path)
    text = str(caught.value)
    assert text.startswith(f"{path.name}: ")
    assert "\n" not in text
    assert "exclude" in text
    return text


def test_a_row_is_a_cluster_of_a_probe(write_mat: WriteMat) -> None:
    recording = read(write_mat(spks=struct_of(PROBES)))
    assert recording.spike_times.dtype == np.float64
    assert recording.ends.dtype == np.int64
    assert units_of(recording) == [[0.5, 3.0], [2.0, 1.0], [0.25]]


def test_ids_without_a_spike_are_kept_where_that_is_asked_for(write_mat: WriteMat) -> None:
    recording = read(write_mat(spks=struct_of(PROBES)), keep_absent=True)
    assert units_of(recording) == [[0.5, 3.0], [], [], [2.0, 1.0], [], [0.25]]


def test_fields_are_found_by_their_names(write_mat: WriteMat) -> None:
    path = write_mat(spks=struct_of(PROBES, ("Wheights", "clu", "depth", "st")), other=np.arange(3))
    assert units_of(read(path)) == [[0.5, 3.0], [2.0, 1.0], [0.25]]


def test_a_file_does_not_say_who_was_recorded(write_mat: WriteMat) -> None:
    reader: Reader = MatSpikes()
    assert reader.subject_id(CopiedFile(write_mat(spks=struct_of(PROBES)))) is None


@pytest.mark.parametrize("dtype", ["u1", "u2", "i4", "f4", "f8"])
def test_ids_of_any_number_type_are_read(write_mat: WriteMat, dtype: str) -> None:
    path = write_mat(spks=struct_of([([1.0, 2.0, 3.0], np.array([200, 3, 200], dtype))]))
    assert units_of(read(path)) == [[2.0], [1.0, 3.0]]


spike = st.tuples(st.floats(0, 900), st.integers(1, 9))
recordings = st.lists(st.lists(spike, max_size=40), min_size=1, max_size=4)


@given(probes=recordings, keep_absent=st.booleans(), compressed=st.booleans())
def test_spikes_go_to_their_clusters(
    *, probes: list[list[tuple[float, int]]], keep_absent: bool, compressed: bool
) -> None:
    columns = [([t for t, _ in probe], [cluster for _, cluster in probe]) for probe in probes]
    content = io.BytesIO()
    savemat(content, {"spks": struct_of(columns)}, do_compression=compressed)
    rows = [
        [t for t, own in probe if own == cluster]
        for probe in probes
        for cluster in range(1, max((own for _, own in probe), default=0) + 1)
    ]
    expected = rows if keep_absent else [row for row in rows if row]
    assert units_of(MatSpikes(keep_absent).read(MemoryFile(content.getvalue()))) == expected


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        (([1.0, 2.0], [1]), "probe 2 has 2 times in st, but 1 clusters in clu"),
        (([1.0], [0]), "the smallest id in clu of probe 2 is 0, and ids count from 1"),
        (([1.0], [-3]), "the smallest id in clu of probe 2 is -3, and ids count from 1"),
        (([1.0], [-np.inf]), "the smallest id in clu of probe 2 is -inf, and ids count from 1"),
        (([1.0, 2.0], [1, 1.5]), "clu of probe 2 holds a number that is not whole"),
        (([1.0, 2.0], [1, np.nan]), "clu of probe 2 holds a number that is not whole"),
        (([1.0], [70_000]), "the largest id in clu of probe 2 is 70,000, and no probe has so many"),
        (([1.0], [np.inf]), "the largest id in clu of probe 2 is inf, and no probe has so many"),
        (([1.0], ["a"]), "clu of probe 2 is not a list of numbers"),
        ((["a"], [1]), "st of probe 2 is not a list of numbers"),
    ],
)
def test_a_probe_whose_spikes_have_no_cluster_is_refused(
    write_mat: WriteMat, columns: Probe, reason: str
) -> None:
    assert reason in refusal(write_mat(spks=struct_of([PROBES[0], columns])))


def test_a_matrix_of_times_is_refused(write_mat: WriteMat) -> None:
    spks = struct_of([PROBES[0]])
    spks["st"][0, 0] = np.ones((2, 2))
    assert "st of probe 1 is not a list of numbers" in refusal(write_mat(spks=spks))


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"faces": np.arange(3)}, "the file has no spks, so no spikes"),
        ({"spks": np.arange(3)}, "its spks is not an array of structs"),
        (
            {"spks": np.zeros((1, 0), [("st", object), ("clu", object)])},
            "its spks is not an array of structs",
        ),
        ({"spks": struct_of(PROBES, ("st", "Wheights"))}, "its spks has no field clu, only st, Wheights"),
        (
            {"spks": struct_of(PROBES, ("Wheights",))},
            "its spks has no field st and no field clu, only Wheights",
        ),
    ],
)
def test_a_file_without_probes_is_refused(
    write_mat: WriteMat, variables: dict[str, Any], reason: str
) -> None:
    assert reason in refusal(write_mat(**variables))


def hdf5() -> bytes:
    """Return a file as MATLAB writes it with -v7.3: a text, and HDF5 behind it."""
    content = io.BytesIO()
    with h5py.File(content, "w", userblock_size=512) as file:
        file["spks"] = np.arange(3)
    header = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
    return header.ljust(512, b"\x00") + content.getvalue()[512:]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (hdf5(), "this is a MAT file of version 7.3, only version 5 is read; save it again with"),
        (hdf5()[512:], "this is not a MAT file of version 5"),
        (b"spike,time\n1,2\n" * 100, "this is not a MAT file of version 5"),
        (b"", "this is not a MAT file of version 5"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "spks.mat"
    path.write_bytes(data)
    assert reason in refusal(path)


def test_a_file_that_is_cut_off_or_damaged_is_refused(write_mat: WriteMat) -> None:
    path = write_mat(spks=struct_of([(np.random.default_rng(1).random(5000), np.ones(5000))]))
    data = path.read_bytes()
    for damaged in (data[: len(data) // 2], data[:2000] + bytes(500) + data[2500:]):
        path.write_bytes(damaged)
        assert "it is damaged" in refusal(path)


def test_a_file_that_is_gone_is_an_asset_error(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match=r"gone\.mat: there is no such file"):
        read(tmp_path / "gone.mat")


def test_a_read_that_failed_is_told_as_it_is(write_mat: WriteMat) -> None:
    path = write_mat(spks=struct_of(PROBES))
    for good_reads in range(6):
        with pytest.raises(NetworkError, match="the line is dead"):
            MatSpikes().read(MemoryFile.of(path, good_reads=good_reads))
