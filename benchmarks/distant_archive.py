"""An archive that is far away: every answer comes late, and every connection is slow."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from spikemill.services.common.types import Asset
from standins.archive.content import DRAFT, ArchiveFile, Dandiset, MadeUpArchive
from standins.archive.server import ArchiveServer
from standins.archive.storage import blob_path
from standins.wire.faults import Body, Fault

_PATH = "sub-01/sub-01_ses-01.nwb"


@dataclass(frozen=True, slots=True)
class Distance:
    """Seconds before each answer, and bytes per second of each connection."""

    latency: float
    rate: float


@dataclass(frozen=True, slots=True)
class DistantFile:
    """A file in a distant archive: the API, the asset, and where its bytes are had without asking the API."""

    api: str
    asset: Asset
    address: str


class _DistantServer(ArchiveServer):
    """The made-up archive, whose every request meets the distance as its fault."""

    def __init__(self, archive: MadeUpArchive, distance: Distance) -> None:
        super().__init__(archive)
        self._distance = distance

    def fault_for(self, target: str) -> Fault:
        """Let the answer be late, and its body slow."""
        time.sleep(self._distance.latency)
        return Fault(re.compile(target), None, spoil=self._slow)

    def _slow(self, body: Body) -> Body:
        """Give each piece out when a connection of this rate would have carried those before it."""
        start, sent = time.monotonic(), 0
        for piece in body:
            time.sleep(max(0.0, start + sent / self._distance.rate - time.monotonic()))
            yield piece
            sent += len(piece)


@contextmanager
def distant(path: Path, distance: Distance) -> Iterator[DistantFile]:
    """Serve a file from a process of its own, as long as the context lasts."""
    spawn = get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_serve, args=(path, distance, theirs))
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.send(None)
        process.join()


def _serve(path: Path, distance: Distance, caller: Connection) -> None:
    """Serve until the caller says something."""
    file = ArchiveFile(_PATH, path)
    server = _DistantServer(MadeUpArchive([Dandiset("000001", "Far away", {DRAFT: [file]})]), distance)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    address = f"{server.url}{blob_path(file)}"
    caller.send(DistantFile(server.dandi_api, Asset(file.asset_id, file.path, file.size), address))
    caller.recv()
    server.close()
    thread.join()
