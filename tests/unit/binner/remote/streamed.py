"""Binning recordings that lie in a storage, and the same recordings on this disk."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from spikemill.services.binner.readers.base import CopiedFile
from spikemill.services.binner.remote.remote_file import open_remote
from spikemill.services.binner.session import ReaderSettings, bin_session
from spikemill.services.common.archives.base import Archive
from spikemill.services.common.archives.dandi import DandiArchive
from spikemill.services.common.archives.figshare import FigshareArchive
from spikemill.services.common.rate_limit import Unlimited
from spikemill.services.common.types import Asset, BinnedSession, SessionNames
from tests.servers.fault_storage.server import FaultStorage, serve_storage

PATH = "sub-01/sub-01_ses-01.nwb"
CONNECTIONS = 4
# Bins of a second: what is tested here is how spikes come, not how they are counted.
SETTINGS = ReaderSettings("nwb-units", bin_size=1.0)
NAMES = SessionNames("streamed", "sub-01", "ses-01")


@dataclass(frozen=True)
class Stored:
    """A recording in a storage: a place of each kind of bytes that are read of it, and what is in it.

    `needed` is how many bytes travel when nothing goes wrong.
    """

    data: bytes
    places: dict[str, int]
    binned: BinnedSession
    needed: int


def stored(path: Path) -> Stored:
    """Take a recording of contiguous spike times from this disk, and bin it both there and from a storage."""
    with h5py.File(path) as file:
        spike_times = file["units/spike_times"].id
        places = {
            "beginning": 0,
            "structure": h5py.h5o.get_info(spike_times).addr,
            "spikes": spike_times.get_offset() + spike_times.get_storage_size() // 2,
        }
    data = path.read_bytes()
    with serve_storage(data) as storage:
        bin_streamed(storage, path.with_suffix(".parquet"))
    return Stored(data, places, bin_copy(path), storage.bytes_sent)


def bin_copy(path: Path) -> BinnedSession:
    """Bin a recording on this disk under the names that a streamed one has."""
    return bin_session([CopiedFile(path, PATH)], SETTINGS, NAMES, path.with_suffix(".parquet"))


def public(storage: FaultStorage) -> Archive:
    """Return the way to an object as DANDI shows it: its public address, then signed links."""
    return DandiArchive(storage.api, "000021", "0.1.1", Unlimited())


def signed(storage: FaultStorage) -> Archive:
    """Return the way to an object as figshare shows it: signed links."""
    return FigshareArchive(storage.api, "77", 1, Unlimited())


def bin_streamed(
    storage: FaultStorage, chunk: Path, links: Archive | None = None, size: int | None = None, **options: Any
) -> BinnedSession:
    """Bin the object of a storage; `options` go to `open_remote`."""
    asset = Asset("a-1", PATH, len(storage.content) if size is None else size)
    options = {"limiter": Unlimited(), "connections": CONNECTIONS, **options}
    with open_remote(links or public(storage), asset, **options) as file:
        return bin_session([file], SETTINGS, NAMES, chunk)
