"""h5py's lock and the garbage collection do not meet in the threads that fetch."""

from pathlib import Path

import h5py
import pytest

from tests.servers.fault_storage.server import FaultStorage
from tests.unit.binner.remote.streamed import Stored, bin_streamed

_ENOUGH = 10_000
"""New objects after which Python has collected at least once."""


@pytest.mark.timeout(60)
def test_a_thread_that_fetches_forgets_no_object_of_h5py(
    storage: FaultStorage, recording: Stored, tmp_path: Path
) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as other:
        lost = [other.create_group(str(number)) for number in range(40)]

        def lose(_arrived: int) -> None:
            """Leave a circle that holds an object of h5py, and work until it would be collected."""
            if lost:
                circle: list[object] = [lost.pop()]
                circle.append(circle)
                del circle
                assert len([[] for _ in range(_ENOUGH)]) == _ENOUGH

        assert bin_streamed(storage, tmp_path / "chunk", progress=lose) == recording.binned
        assert len(lost) < 40
