"""What a part of an object leaves behind."""

from collections.abc import Iterator

import pytest

from services.common.archives.base import Asset
from services.common.archives.links import DandiLinks
from services.common.errors import AssetError
from services.common.pacing import Unpaced
from services.common.ranges.pinned_object import PinnedObject
from services.common.web import web_client
from tests.fault_storage.faults import cut_after, status
from tests.fault_storage.server import FaultStorage, serve_storage

DATA = bytes(range(256)) * 100


@pytest.fixture
def storage() -> Iterator[FaultStorage]:
    with serve_storage(DATA) as served:
        yield served


@pytest.fixture
def pinned(storage: FaultStorage) -> Iterator[PinnedObject]:
    asset = Asset("a-1", "sub-1/sub-1.nwb", len(DATA))
    with web_client() as client:
        yield PinnedObject(
            DandiLinks(storage.api, Unpaced()), asset, client, pacer=Unpaced(), progress=lambda _: None
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
