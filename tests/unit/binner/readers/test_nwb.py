"""The reader of NWB units tables: every index type, and every refusal with its reason."""

import signal
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from spikemill.services.binner.readers import make_reader
from spikemill.services.binner.readers.base import CopiedFile, SpikeTrains
from spikemill.services.binner.readers.nwb import NwbUnits
from spikemill.services.common.errors import AssetError, CatalogueError, RecordingError

pytestmark = pytest.mark.slow

WriteFile = Callable[..., Path]
TIMES = [0.5, 1.0, 2.0, 0.25]


def read(path: Path, table: str = "units") -> SpikeTrains:
    """Read a file of this disk."""
    return NwbUnits(table).read(CopiedFile(path))


def subject_of(path: Path) -> str | None:
    """Return who the file says was recorded."""
    return NwbUnits().subject_id(CopiedFile(path))


def refusal(path: Path, table: str = "units") -> str:
    """Return the text with which the file is refused."""
    with pytest.raises(RecordingError) as caught:
        read(path, table)
    text = str(caught.value)
    assert text.startswith(f"{path.name}: ")
    assert "\n" not in text
    assert any(way_out in text for way_out in ("exclude", "fetch it again", "convert it"))
    return text


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "i4", "i8", "u8", ">i4"])
def test_any_integer_is_an_index(write_units: WriteFile, dtype: str) -> None:
    recording = read(write_units(TIMES, np.array([3, 3, 4], dtype), rows=3))
    assert recording.ends.dtype == np.int64
    assert recording.ends.tolist() == [3, 3, 4]
    assert recording.spike_times.tolist() == TIMES
    assert recording.n_units == 3


@pytest.mark.parametrize("dtype", ["f4", "f8", ">f8", "i4", "u2"])
def test_spike_times_of_any_number_type_become_float64(write_units: WriteFile, dtype: str) -> None:
    stored = np.array([1, 2, 5], dtype)
    times = read(write_units(stored, np.array([3]))).spike_times
    assert times.dtype == np.float64
    assert times.tolist() == [1.0, 2.0, 5.0]


def test_a_stop_that_comes_while_hdf5_reads_is_not_lost(write_units: WriteFile) -> None:
    class StopError(BaseException):
        """What a signal raises."""

    came = []

    def stop(*_: object) -> None:
        came.append(1)
        raise StopError

    def read_until_it_came() -> None:
        # After so much work of this process, which HDF5 does.
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.05)
        read(path)
        while not came:
            pass

    path = write_units([], [0])
    with h5py.File(path, "a") as file:
        del file["units"]
        times = np.random.default_rng(0).random(5_000_000)
        file.create_dataset("units/spike_times", data=times, chunks=times.shape, compression=1, shuffle=True)
        file["units/spike_times_index"] = [times.size]
    before = signal.signal(signal.SIGVTALRM, stop)
    try:
        with pytest.raises(StopError):
            read_until_it_came()
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def test_compressed_columns_are_read(tmp_path: Path) -> None:
    path = tmp_path / "compressed.nwb"
    times = np.linspace(0, 9, 5000)
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = np.array([b"2.0b"])
        file.create_dataset("units/spike_times", data=times, chunks=(700,), compression="gzip")
        file.create_dataset("units/spike_times_index", data=np.array([5000], np.uint16))
    np.testing.assert_array_equal(read(path).spike_times, times)


def test_a_table_of_silent_units_is_a_recording(write_units: WriteFile) -> None:
    recording = read(write_units(np.empty(0), np.zeros(4, np.int32), rows=4))
    assert (recording.n_units, recording.spike_times.size) == (4, 0)


@pytest.mark.parametrize(
    ("index", "reason"),
    [
        ([1.0, 4.0], "does not hold whole numbers"),
        (np.array(["a", "b"], "S1"), "does not hold whole numbers"),
        ([3, 2, 4], "decreases"),
        ([-1, 4], "decreases"),
        (np.array([5, 3, 4], np.uint64), "decreases"),
        ([2, 5], "ends at 5, but there are 4 spike times"),
        (np.array([2, 2**64 - 1], np.uint64), "but there are 4 spike times"),
        ([0, 3], "ends at 3, but there are 4 spike times"),
        (np.empty(0, np.int64), "ends at 0, but there are 4 spike times"),
        ([[2], [4]], r"spike_times_index column of the units table is not a list, its shape is \(2, 1\)"),
        (4, "is not a list"),
        (h5py.Empty("i4"), "is not a list"),
    ],
)
def test_an_index_that_gives_spikes_to_no_or_wrong_units_is_refused(
    write_units: WriteFile, index: object, reason: str
) -> None:
    path = write_units(TIMES, index)
    with pytest.raises(RecordingError, match=reason):
        read(path)


def test_an_index_of_another_length_than_the_table_is_refused(write_units: WriteFile) -> None:
    assert "has 3 rows, but 2 in spike_times_index" in refusal(write_units(TIMES, [2, 4], rows=3))


@pytest.mark.parametrize("missing", ["units/spike_times", "units/spike_times_index"])
def test_a_missing_column_is_refused(write_units: WriteFile, missing: str) -> None:
    path = write_units(TIMES, [4])
    with h5py.File(path, "a") as file:
        del file[missing]
    assert f"the units table has no {missing.removeprefix('units/')} column" in refusal(path)


def test_a_missing_table_is_refused(write_units: WriteFile) -> None:
    path = write_units(TIMES, [4])
    with h5py.File(path, "a") as file:
        del file["units"]
        file.create_group("acquisition")
    assert "no units table" in refusal(path)


@pytest.fixture
def processed(write_units: WriteFile) -> Path:
    """Write a file whose units table is in a processing module, beside one without spikes."""
    path = write_units(TIMES, [3, 3, 4])
    with h5py.File(path, "a") as file:
        file.move("units", "processing/ecephys/units")
        file["processing/ecephys/electrodes/id"] = np.arange(4)
    return path


@pytest.mark.parametrize("table", ["processing/ecephys/units", "/processing/ecephys/units/"])
def test_a_units_table_in_a_processing_module_is_read(processed: Path, table: str) -> None:
    recording = read(processed, table)
    assert (recording.spike_times.tolist(), recording.ends.tolist()) == (TIMES, [3, 3, 4])


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ("units", "has no units table, so no spikes; there are some in processing/ecephys/units"),
        ("processing/units", "has no table at processing/units, so no spikes; there are some in"),
        ("processing/ecephys/units/spike_times", "has no table at processing/ecephys/units/spike_times"),
        ("processing/ecephys/electrodes", "the units table has no spike_times column; there are some in"),
        ("/", "has no table at /, so no spikes; there are some in"),
    ],
)
def test_a_path_that_leads_to_no_spikes_is_refused_with_one_that_does(
    processed: Path, table: str, reason: str
) -> None:
    text = refusal(processed, table)
    assert reason in text
    assert 'reader_options = { table = "processing/ecephys/units" }' in text


def test_all_tables_with_spikes_are_named(processed: Path, write_units: WriteFile) -> None:
    with h5py.File(processed, "a") as file:
        file.copy("processing/ecephys/units", "analysis/sorted")
    assert "in analysis/sorted and in processing/ecephys/units" in refusal(processed)
    with h5py.File(write_units(TIMES, [4], "none.nwb"), "a") as file:
        del file["units/spike_times"]
    assert "there are some in" not in refusal(processed.with_name("none.nwb"))


def test_a_module_that_lies_in_another_file_is_refused(processed: Path) -> None:
    path = processed.with_name("linked.nwb")
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = "2.6.0"
        file["processing"] = h5py.ExternalLink(processed.name, "processing")
    assert "processing lies in another file" in refusal(path, "processing/ecephys/units")


def test_spike_times_that_are_no_numbers_are_refused(write_units: WriteFile) -> None:
    assert "spike_times of the units table are not numbers" in refusal(write_units([b"1", b"2"], [2]))


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "is empty"), (b"spike,time\n1,2\n", "not an HDF5 file")]
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "table.nwb"
    path.write_bytes(content)
    assert reason in refusal(path)


def test_a_file_that_is_cut_off_is_refused(write_units: WriteFile) -> None:
    path = write_units(np.arange(10_000.0), [10_000])
    with path.open("r+b") as file:
        file.truncate(40_000)
    assert "cut off or damaged" in refusal(path)


def test_damaged_data_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "damaged.nwb"
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = "2.0"
        times = file.create_dataset(
            "units/spike_times",
            data=np.random.default_rng(1).random(4000),
            chunks=(4000,),
            compression="gzip",
        )
        file["units/spike_times_index"] = [4000]
        stored = times.id.get_chunk_info(0)
    with path.open("r+b") as file:
        file.seek(stored.byte_offset + 100)
        file.write(bytes(500))
    assert "damaged inside" in refusal(path)


@pytest.mark.parametrize(
    ("version", "reason"), [("NWB-1.0.6", "the file is NWB 1.0.6"), (None, "no nwb_version")]
)
def test_nwb_1_is_refused(write_units: WriteFile, version: str | None, reason: str) -> None:
    path = write_units(TIMES, [4])
    with h5py.File(path, "a") as file:
        del file.attrs["nwb_version"]
        if version is not None:
            file.attrs["nwb_version"] = version
    assert reason in refusal(path)


def test_a_file_that_is_gone_is_an_asset_error(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match=r"gone\.nwb: there is no such file"):
        read(tmp_path / "gone.nwb")


@pytest.mark.parametrize(("written", "told"), [("M12", "M12"), ("", None), (" ", None), (None, None)])
def test_the_subject_is_what_the_file_says(
    write_nwb: WriteFile, written: str | None, told: str | None
) -> None:
    path = write_nwb([[0.1, 0.2], []], subject=written)
    assert subject_of(path) == told
    assert read(path).ends.tolist() == [2, 2]


def test_metadata_that_pynwb_refuses_hide_the_subject_but_not_the_spikes(write_units: WriteFile) -> None:
    path = write_units(TIMES, [4])
    assert read(path).n_units == 1
    with pytest.raises(RecordingError, match=r"recording\.nwb: pynwb cannot read the file's metadata"):
        subject_of(path)


def test_a_reader_is_made_by_its_name() -> None:
    assert make_reader("nwb-units", {}) == NwbUnits()


def test_an_unknown_reader_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        CatalogueError, match='no reader "nwb"; the readers are: mat-spikes, nwb-rates, nwb-units'
    ):
        make_reader("nwb", {})


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(CatalogueError, match="does not understand reader_options: probe"):
        make_reader("nwb-units", {"probe": 1})


def test_a_row_count_that_is_no_list_is_refused(write_units: WriteFile) -> None:
    path = write_units(TIMES, [4])
    with h5py.File(path, "a") as file:
        file["units/id"] = 1
    assert "id column of the units table is not a list" in refusal(path)


@pytest.mark.parametrize("place", ["units", "units/spike_times", "units/spike_times_index"])
@pytest.mark.parametrize("other", ["other.nwb", "gone.nwb"])
def test_what_is_linked_from_another_file_is_refused(write_units: WriteFile, place: str, other: str) -> None:
    path = write_units(TIMES, [4])
    write_units(TIMES, [4], "other.nwb")
    with h5py.File(path, "a") as file:
        del file[place]
        file[place] = h5py.ExternalLink(other, place)
    assert f"{place.removeprefix('units/')} lies in another file" in refusal(path)


def test_what_is_linked_inside_the_file_is_read(write_units: WriteFile) -> None:
    path = write_units(TIMES, [4])
    with h5py.File(path, "a") as file:
        file.move("units/spike_times", "elsewhere")
        file["units/spike_times"] = h5py.SoftLink("/elsewhere")
    assert read(path).spike_times.tolist() == TIMES


@pytest.mark.parametrize("place", ["units", "units/spike_times", "units/spike_times_index"])
def test_a_link_inside_the_file_that_leads_out_of_it_is_refused(write_units: WriteFile, place: str) -> None:
    path = write_units(TIMES, [4])
    write_units(TIMES, [4], "other.nwb")
    with h5py.File(path, "a") as file:
        del file[place]
        file["other"] = h5py.ExternalLink("other.nwb", "/")
        file[place] = h5py.SoftLink(f"/other/{place}")
    assert f"{place.removeprefix('units/')} lies in another file" in refusal(path)


@pytest.mark.parametrize("source", ["elsewhere", "gone"])
def test_values_that_are_put_together_from_others_are_refused(write_units: WriteFile, source: str) -> None:
    path = write_units(TIMES, [4])
    with h5py.File(path, "a") as file:
        file.move("units/spike_times", "elsewhere")
        layout = h5py.VirtualLayout((4,), "f8")
        layout[:] = h5py.VirtualSource(".", source, (4,))
        file["units"].create_virtual_dataset("spike_times", layout)
    assert "spike_times is put together from other datasets" in refusal(path)


def test_values_that_are_kept_in_another_file_are_refused(write_units: WriteFile) -> None:
    path = write_units(TIMES, [4])
    with h5py.File(path, "a") as file:
        del file["units/spike_times"]
        layout = h5py.VirtualLayout((4,), "f8")
        layout[:] = h5py.VirtualSource("gone.nwb", "units/spike_times", (4,))
        file["units"].create_virtual_dataset("spike_times", layout)
    assert "spike_times lies in another file" in refusal(path)
    with h5py.File(path, "a") as file:
        del file["units/spike_times"]
        file["units"].create_dataset("spike_times", (4,), "f8", external="gone.raw")
    assert "spike_times lies in another file" in refusal(path)


def test_the_subjects_name_is_composed_unicode(write_nwb: WriteFile) -> None:
    assert subject_of(write_nwb([[0.1]], subject="e\u0301")) == "é"


@pytest.mark.parametrize("subject", ["a\nb", "x" * 5000])
def test_a_subject_that_is_no_name_is_refused(write_nwb: WriteFile, subject: str) -> None:
    with pytest.raises(RecordingError, match=r"recording\.nwb: .* put the file into a folder"):
        subject_of(write_nwb([[0.1]], subject=subject))
