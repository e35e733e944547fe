"""The made-up archive as an HTTP server: DANDI below /api, figshare below /v2, content below /storage."""

from collections.abc import Iterator
from contextlib import contextmanager

from services.demo.apis.site import Site
from services.demo.archive import MadeUpArchive
from services.demo.wire.scripted_server import LOOPBACK, ScriptedServer


class ArchiveServer(ScriptedServer):
    """The archive's server: its addresses, the faults that it is told to have, and what was asked of it."""

    def __init__(self, archive: MadeUpArchive, host: str = LOOPBACK, port: int = 0) -> None:
        """Bind to an address, of which port 0 is any free port; raises `CallError` where it cannot be had."""
        self._site = Site(archive)
        super().__init__(self._site.answer, host, port)

    @property
    def dandi_api(self) -> str:
        """The address of DANDI's API."""
        return f"{self.url}/api"

    @property
    def figshare_api(self) -> str:
        """The address of figshare's API."""
        return f"{self.url}/v2"

    def expire_links(self) -> None:
        """Let every signed link that was given out so far run out."""
        self._site.links.expire()


@contextmanager
def serve(archive: MadeUpArchive, host: str = LOOPBACK, port: int = 0) -> Iterator[ArchiveServer]:
    """Serve an archive on a thread of this process, as long as the context lasts."""
    server = ArchiveServer(archive, host, port)
    with server.running():
        yield server
