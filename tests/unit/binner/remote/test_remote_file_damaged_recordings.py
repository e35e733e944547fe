"""Files that lie in the archive as they were listed, but are damaged or something else."""

from collections.abc import Callable
from pathlib import Path

import h5py
import pytest

from benchmarks.generated_recordings import write_ibl_like
from spikemill.services.common.errors import RecordingError
from tests.servers.fault_storage.server import serve_storage
from tests.unit.binner.remote.streamed import Stored, bin_copy, bin_streamed

pytestmark = pytest.mark.slow

KILOBYTE = 1 << 10


def both_refusals(data: bytes, folder: Path) -> str:
    """Return the text with which the file is refused, streamed and copied, and see that nothing is left."""
    copy = folder / "recording.nwb"
    copy.write_bytes(data)
    with serve_storage(data) as storage, pytest.raises(RecordingError) as streamed:
        bin_streamed(storage, folder / "chunk")
    with pytest.raises(RecordingError) as copied:
        bin_copy(copy)
    assert str(streamed.value) == str(copied.value)
    assert list(folder.iterdir()) == [copy]
    return str(streamed.value)


@pytest.mark.parametrize("place", ["structure", "spikes"])
def test_a_file_that_is_cut_off(recording: Stored, tmp_path: Path, place: str) -> None:
    data = recording.data[: recording.places[place]]
    assert "cut off" in both_refusals(data, tmp_path)


@pytest.mark.parametrize("length", [1, 8, 100, 2 * KILOBYTE, 100 * KILOBYTE])
def test_a_beginning_of_a_file(recording: Stored, tmp_path: Path, length: int) -> None:
    both_refusals(recording.data[:length], tmp_path)


def test_a_file_whose_structure_is_overwritten(recording: Stored, tmp_path: Path) -> None:
    data = bytearray(recording.data)
    place = recording.places["structure"]
    data[place : place + 16] = bytes(16)
    both_refusals(bytes(data), tmp_path)


@pytest.fixture(scope="module")
def deflated(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[int]]:
    """Return a file of deflated chunks, and where those of the spike times lie."""
    path = tmp_path_factory.mktemp("recordings") / "deflated.nwb"
    write_ibl_like(path, 100)
    with h5py.File(path) as file:
        spike_times = file["units/spike_times"].id
        chunks = [spike_times.get_chunk_info(number) for number in range(spike_times.get_num_chunks())]
    return path.read_bytes(), [chunk.byte_offset for chunk in chunks]


Damage = Callable[[bytearray, int], None]


def header(data: bytearray, place: int) -> None:
    data[place : place + 2] = b"\0\0"


def middle(data: bytearray, place: int) -> None:
    data[place + 100_000] ^= 0xFF


@pytest.mark.parametrize("damage", [header, middle])
@pytest.mark.parametrize("number", [0, 1])
def test_a_chunk_that_does_not_inflate(
    deflated: tuple[bytes, list[int]], tmp_path: Path, damage: Damage, number: int
) -> None:
    data, chunks = bytearray(deflated[0]), deflated[1]
    damage(data, chunks[number])
    assert "damaged inside, or packed" in both_refusals(bytes(data), tmp_path)


@pytest.mark.parametrize("length", [1, 100, 100 * KILOBYTE, 3_000 * KILOBYTE])
def test_something_that_is_no_recording(tmp_path: Path, length: int) -> None:
    assert "not an HDF5 file" in both_refusals(b"\x89PNG" * (length // 4) + b"\0", tmp_path)


def test_an_empty_file(tmp_path: Path) -> None:
    assert "0 bytes" in both_refusals(b"", tmp_path)
