"""A streamed session has the rows of a copied one, and only the bytes that it needs have travelled."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from benchmarks.generated_recordings import spike_bytes, write_ibl_like, write_small, write_vcn_like
from spikemill.services.binner.readers.base import CopiedFile
from spikemill.services.binner.remote.remote_file import open_remote
from spikemill.services.binner.session import ReaderSettings, bin_session
from spikemill.services.common.archives.base import Archive
from spikemill.services.common.rate_limit import Unlimited
from spikemill.services.common.types import Asset
from tests.servers.fault_storage.server import FaultStorage, serve_storage
from tests.unit.binner.remote.streamed import (
    CONNECTIONS,
    NAMES,
    PATH,
    Stored,
    bin_streamed,
    public,
    signed,
)

pytestmark = pytest.mark.slow

MEBIBYTE = 1 << 20
SETTINGS = ReaderSettings("nwb-units")
LAYOUTS: dict[str, Callable[[Path], None]] = {
    "contiguous": partial(write_vcn_like, n_units=100),
    "deflated": partial(write_ibl_like, n_units=200),
    "small": write_small,
    "hardly anything but spikes": partial(write_small, seconds=7200),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_rows_of_a_copy_from_the_bytes_of_the_spikes(tmp_path: Path, layout: str) -> None:
    path = tmp_path / "recording.nwb"
    LAYOUTS[layout](path)
    copied = bin_session([CopiedFile(path, PATH)], SETTINGS, NAMES, tmp_path / "copied")
    data, needed = path.read_bytes(), spike_bytes(path)
    with serve_storage(data) as storage:
        asset = Asset("a-1", PATH, len(data))
        with open_remote(public(storage), asset, limiter=Unlimited(), connections=CONNECTIONS) as file:
            streamed = bin_session([file], SETTINGS, NAMES, tmp_path / "streamed")
    assert streamed == copied
    assert (tmp_path / "streamed").read_bytes() == (tmp_path / "copied").read_bytes()
    assert (file.pinned.bytes_downloaded, file.pinned.requests) == (storage.bytes_sent, len(storage.seen))
    assert file.pinned.bytes_downloaded <= min(len(data), needed * 1.02 + MEBIBYTE)
    # A dozen for the file's structure, and one for each mebibyte of spikes.
    assert file.pinned.requests <= 12 + -(-needed // MEBIBYTE)
    assert storage.most_connections <= CONNECTIONS


@pytest.mark.parametrize("way", [public, signed])
@pytest.mark.parametrize("connections", [1, 2, 8])
def test_there_are_never_more_connections_than_allowed(
    storage: FaultStorage,
    recording: Stored,
    tmp_path: Path,
    connections: int,
    way: Callable[[FaultStorage], Archive],
) -> None:
    binned = bin_streamed(storage, tmp_path / "chunk", way(storage), connections=connections)
    assert binned == recording.binned
    assert storage.most_connections <= connections


@pytest.mark.parametrize(
    ("etag", "how"), [("0123456789abcdef0123456789abcdef-1", "etag"), ("another", "size")]
)
def test_what_was_verified_is_told(storage: FaultStorage, etag: str, how: str) -> None:
    storage.etag = f'"{etag}"'
    digests = {"dandi-etag": "0123456789abcdef0123456789abcdef-1"}
    asset = Asset("a-1", PATH, len(storage.content), digests)
    with open_remote(public(storage), asset, limiter=Unlimited(), connections=CONNECTIONS) as file:
        assert (file.pinned.etag, file.pinned.identified_by) == (storage.etag, how)
