"""What a part of an object leaves behind, and how its threads end."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor

import pytest

from spikemill.services.binner.remote.pinned_object import PinnedObject
from spikemill.services.common.archives.base import Location
from spikemill.services.common.archives.dandi import DandiArchive
from spikemill.services.common.errors import AssetError
from spikemill.services.common.http import web_client
from spikemill.services.common.rate_limit import Unlimited
from spikemill.services.common.types import Asset
from tests.servers.fault_storage.faults import cut_after, silent, stall_after, status
from tests.servers.fault_storage.server import Fault, FaultStorage, Handler, right_reply, serve_storage

DATA = bytes(range(256)) * 100
ASSET = Asset("a-1", "sub-1/sub-1.nwb", len(DATA))
_PATIENCE = 20.0


@pytest.fixture
def storage() -> Iterator[FaultStorage]:
    with serve_storage(DATA) as served:
        yield served


@pytest.fixture
def pinned(storage: FaultStorage) -> Iterator[PinnedObject]:
    with web_client() as client:
        yield PinnedObject(
            DandiArchive(storage.api, "000021", "0.1.1", Unlimited()),
            ASSET,
            client,
            limiter=Unlimited(),
            progress=lambda _: None,
        )


def test_the_place_of_a_part_is_free_when_it_is_filled(storage: FaultStorage, pinned: PinnedObject) -> None:
    storage.storage_script = [cut_after(100)]
    content = bytearray(1000)
    pinned.fill(500, memoryview(content))
    assert content == DATA[500:1500]
    content.clear()  # Python refuses this while anything still refers to the bytes


def test_the_place_of_a_part_is_free_when_it_cannot_be_filled(
    storage: FaultStorage, pinned: PinnedObject
) -> None:
    storage.storage_script = [status(404)]
    content = bytearray(1000)
    with pytest.raises(AssetError):
        pinned.fill(500, memoryview(content))
    content.clear()


@pytest.mark.timeout(30)
@pytest.mark.parametrize("fault", [silent, stall_after(100)])
def test_closing_ends_what_waits_for_a_storage_that_says_nothing(
    storage: FaultStorage, pinned: PinnedObject, fault: Fault
) -> None:
    storage.storage_script = [fault]
    with ThreadPoolExecutor(1) as thread:
        fetch = thread.submit(pinned.fill, 500, memoryview(bytearray(1000)))
        while not storage.seen:
            time.sleep(0.01)
        pinned.close()
        with pytest.raises(CancelledError):
            fetch.result()


def test_a_closed_object_is_asked_for_nothing(storage: FaultStorage, pinned: PinnedObject) -> None:
    pinned.close()
    with pytest.raises(CancelledError):
        pinned.fill(500, memoryview(bytearray(1000)))
    assert (storage.seen, storage.api_requests) == ([], 0)


def test_bytes_arrive_while_the_archive_is_asked_for_a_new_link(storage: FaultStorage) -> None:
    asked_anew, arrived = threading.Event(), threading.Event()

    class SlowLinks(DandiArchive):
        """Gives a second link only when bytes have arrived over the first one."""

        def __init__(self) -> None:
            """Begin with no link given."""
            super().__init__(storage.api, "000021", "0.1.1", Unlimited())
            self.given = 0

        def resolve(self, _asset: Asset) -> Location:
            """Return the same place each time."""
            self.given += 1
            if self.given > 1:
                asked_anew.set()
                assert arrived.wait(_PATIENCE), "nothing arrived meanwhile"
            return Location(storage.public_address)

    def late(handler: Handler) -> None:
        asked_anew.wait(_PATIENCE)
        handler.send(right_reply(handler))

    storage.places = [(500, late), (5000, status(403))]
    links = SlowLinks()
    with web_client() as client, ThreadPoolExecutor(1) as thread:
        pinned = PinnedObject(links, ASSET, client, limiter=Unlimited(), progress=lambda _: arrived.set())
        first = thread.submit(pinned.fill, 500, memoryview(bytearray(1000)))
        while not storage.seen:
            time.sleep(0.01)
        pinned.fill(5000, memoryview(bytearray(1000)))
        first.result()
    assert links.given == 2
