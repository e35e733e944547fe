"""Files are read alike wherever their bytes lie, and a read that failed is never called a damaged file."""

import gc
import io
import weakref
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from spikemill.services.binner.readers.base import CopiedFile
from spikemill.services.binner.readers.nwb import NwbUnits
from spikemill.services.common.errors import AssetError, NetworkError, RecordingError
from tests.unit.binner.readers.memory_file import MemoryFile

pytestmark = pytest.mark.slow

WriteFile = Callable[..., Path]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Write a recording whose spike times lie in many chunks."""
    path = tmp_path / "chunked.nwb"
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = "2.6.0"
        units = file.create_group("units")
        times = np.sort(np.random.default_rng(3).random(5000))
        units.create_dataset("spike_times", data=times, chunks=(400,), compression="gzip")
        units["spike_times_index"] = np.array([2000, 2000, 5000], np.uint32)
        units["id"] = np.arange(3)
    return path


def test_a_file_in_memory_is_read_as_one_on_a_disk(recording: Path) -> None:
    copied, remote = NwbUnits().read(CopiedFile(recording)), NwbUnits().read(MemoryFile.of(recording))
    np.testing.assert_array_equal(remote.spike_times, copied.spike_times)
    np.testing.assert_array_equal(remote.ends, copied.ends)


def test_the_spike_times_are_announced_before_they_are_read(recording: Path) -> None:
    file = MemoryFile.of(recording)
    NwbUnits().read(file)
    assert len(file.announced) == 1 + 13
    assert file.reads == file.announced


@pytest.mark.parametrize("told", [None, OSError, KeyError])
def test_a_read_that_failed_is_told_as_it_is(recording: Path, told: type[Exception] | None) -> None:
    whole = MemoryFile.of(recording, good_reads=1000)
    NwbUnits().read(whole)
    needed = 1000 - whole.good_reads
    assert needed > 10
    for good_reads in range(needed):
        file = MemoryFile.of(recording, good_reads=good_reads, told=told)
        with pytest.raises(NetworkError, match="the line is dead"):
            NwbUnits().read(file)


def test_a_failure_that_the_library_kept_to_itself_is_told(recording: Path) -> None:
    file = MemoryFile.of(recording)
    file.failure = NetworkError("the line was dead for a while")
    with pytest.raises(NetworkError, match="for a while"):
        NwbUnits().read(file)


@pytest.mark.parametrize("told", [None, OSError])
def test_a_file_whose_reads_failed_is_let_go(recording: Path, told: type[Exception] | None) -> None:
    for good_reads in range(8):
        file = MemoryFile.of(recording, good_reads=good_reads, told=told)
        with pytest.raises(NetworkError):
            NwbUnits().read(file)
        gone = weakref.ref(file)
        del file
        gc.collect()
        assert gone() is None


def hdf5_behind_a_user_block() -> bytes:
    """Return a file whose HDF5 part starts at byte 512 and is cut off."""
    content = io.BytesIO()
    with h5py.File(content, "w", userblock_size=512) as file:
        file["units"] = np.arange(1000)
    return content.getvalue()[:600]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"<html>503 Slow Down</html>" * 100, "this is not an HDF5 file"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "cut off or damaged at its beginning"),
        (hdf5_behind_a_user_block(), "cut off or damaged at its beginning"),
    ],
)
def test_what_is_no_whole_hdf5_file_is_refused_alike(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "copy"
    path.write_bytes(data)
    for file in (CopiedFile(path, MemoryFile.name), MemoryFile(data)):
        with pytest.raises(RecordingError, match=f"^sub-1/recording.nwb: .*{reason}"):
            NwbUnits().read(file)


def test_a_copy_is_called_as_the_archive_calls_it(tmp_path: Path) -> None:
    assert CopiedFile(tmp_path / "0f3a.nwb", "sub-1/a.nwb").name == "sub-1/a.nwb"
    with pytest.raises(AssetError, match=r"^sub-1/a\.nwb: there is no such file"):
        NwbUnits().read(CopiedFile(tmp_path / "0f3a.nwb", "sub-1/a.nwb"))
