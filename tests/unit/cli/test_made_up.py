"""The made-up NWB files: valid, odd on purpose, and the same to the last bit."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pynwb
import pytest

from spikemill.services.cli.made_up import (
    SAMPLE_RATE,
    Recording,
    recording_file,
    spike_samples,
    write_recording,
)
from spikemill.services.common.errors import StoreError

SMALL = Recording("1", "a", units=8, seconds=30, silent=2, unsorted=4, early=5, obs_intervals=True)
LARGER = replace(SMALL, amplitudes=True, channels=3, index_type="int64", clock_start=40)
PINNED = "5f0fc0883437821c853f60d2e546fce5c7e79aed351333b506264107bf6455de"

WRITE = """
import sys
from pathlib import Path
from spikemill.services.cli.made_up import write_recording
from spikemill.services.cli.made_up import Recording
write_recording(Recording(**eval(sys.argv[2])), Path(sys.argv[1]))
"""


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_bytes_of_a_small_recording_are_pinned(tmp_path: Path) -> None:
    if h5py.__version__ != "3.16.0":
        pytest.skip("the bytes are promised for the locked version of h5py, 3.16.0")
    assert _sha256(recording_file(SMALL, tmp_path)) == PINNED


def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    fields = {name: getattr(LARGER, name) for name in LARGER.__slots__}
    for name in ("one", "two"):
        subprocess.run(
            [sys.executable, "-c", WRITE, tmp_path / name, repr(fields)],
            check=True,
            env={
                **os.environ,
                "PYTHONHASHSEED": "7" if name == "one" else "8",
                "PYTHONPATH": str(Path.cwd()),
            },
        )
    assert _sha256(tmp_path / "one") == _sha256(tmp_path / "two")


def test_a_recording_is_a_valid_nwb_file(tmp_path: Path) -> None:
    # A signed index is no part of the format, though published files have it.
    path = recording_file(replace(LARGER, index_type="uint32"), tmp_path)
    assert pynwb.validate(path=str(path)) == []
    with pynwb.NWBHDF5IO(path, "r", load_namespaces=True) as io:
        session = io.read()
        assert session.subject.subject_id == "1"
        assert session.subject.species == "Mus musculus"
        assert session.units.colnames == ("spike_times", "spike_amplitudes", "obs_intervals")
        assert "mean nothing" in session.session_description
        assert session.acquisition["signal"].data.shape == (2500, 3)


def test_the_file_holds_the_spikes_of_the_recording(tmp_path: Path) -> None:
    with pynwb.NWBHDF5IO(recording_file(LARGER, tmp_path), "r", load_namespaces=True) as io:
        units = io.read().units
        for unit, samples in enumerate(spike_samples(LARGER)):
            assert np.array_equal(units["spike_times"][unit], samples / SAMPLE_RATE)
            assert len(units["spike_amplitudes"][unit]) == len(samples)
            assert units["obs_intervals"][unit].tolist() == [[40.0, 54.0], [55.0, 70.0]]


def test_what_is_odd_about_a_recording_is_in_it() -> None:
    plain = spike_samples(replace(SMALL, silent=None, unsorted=None, early=None))
    odd = spike_samples(SMALL)
    assert len(odd[2]) == 0
    assert np.any(np.diff(odd[4]) < 0)
    assert sorted(odd[4]) == plain[4].tolist()
    assert odd[5][0] < 0 < odd[5][-1]
    assert all(np.array_equal(odd[unit], plain[unit]) for unit in (0, 1, 3, 6, 7))


def test_a_late_clock_moves_every_spike() -> None:
    early, late = spike_samples(SMALL), spike_samples(replace(SMALL, clock_start=40))
    assert all(np.array_equal(a + 40 * SAMPLE_RATE, b) for a, b in zip(early, late, strict=True))


@pytest.mark.parametrize("index_type", ["uint16", "uint32", "int32", "int64"])
def test_the_index_has_the_type_that_was_asked_for(tmp_path: Path, index_type: str) -> None:
    path = recording_file(replace(SMALL, index_type=index_type), tmp_path)
    with h5py.File(path) as file:
        assert file["units/spike_times_index"].dtype == index_type


def test_an_index_type_that_is_too_small_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="wider index_type"):
        write_recording(replace(SMALL, index_type="int8"), tmp_path / "small.nwb")


def test_without_units_there_is_no_units_table(tmp_path: Path) -> None:
    with h5py.File(recording_file(Recording("1", "a", units=0, seconds=2, channels=2), tmp_path)) as file:
        assert "units" not in file


def test_a_twin_has_the_same_units_and_other_bytes(tmp_path: Path) -> None:
    session, twin = recording_file(SMALL, tmp_path), recording_file(replace(SMALL, channels=4), tmp_path)
    assert _sha256(session) != _sha256(twin)
    with h5py.File(session) as one, h5py.File(twin) as other:
        assert np.array_equal(one["units/spike_times"], other["units/spike_times"])


def test_a_file_that_is_there_is_not_made_again(tmp_path: Path) -> None:
    path = recording_file(SMALL, tmp_path)
    before = path.stat().st_mtime_ns
    assert recording_file(SMALL, tmp_path) == path
    assert path.stat().st_mtime_ns == before
    path.unlink()
    assert recording_file(SMALL, tmp_path).exists()


def test_nothing_is_left_beside_the_files(tmp_path: Path) -> None:
    path = recording_file(SMALL, tmp_path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    with pytest.raises(StoreError, match=r"cannot be written: .*another folder"):
        recording_file(SMALL, blocked / "below")
