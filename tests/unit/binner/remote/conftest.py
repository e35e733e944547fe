"""A recording in a storage."""

from collections.abc import Iterator

import h5py
import pytest

from benchmarks.generated_recordings import write_vcn_like
from spikemill.services.binner.remote import pinned_object
from spikemill.services.common.retry import Backoff
from tests.servers.fault_storage.server import FaultStorage, serve_storage
from tests.unit.binner.remote.streamed import Stored, stored


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """A recording whose units lie far behind its beginning, and come in several parts."""
    path = tmp_path_factory.mktemp("recordings") / "contiguous.nwb"
    write_vcn_like(path, 20)
    with h5py.File(path, "a") as file:
        file.copy("units", "last")
        del file["units"]
        file.move("last", "units")
    return stored(path)


@pytest.fixture
def storage(recording: Stored) -> Iterator[FaultStorage]:
    """Serve the recording."""
    with serve_storage(recording.data) as served:
        yield served


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the pauses between tries be short, but for those that a server asks for."""
    monkeypatch.setattr(pinned_object, "_BACKOFF", Backoff(tries=5, first_pause=0.001))
