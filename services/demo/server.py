"""The made-up archive as an HTTP server: DANDI below /api, figshare below /v2, content below /storage."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from services.common.errors import CallError
from services.demo.apis.site import Site
from services.demo.archive import MadeUpArchive
from services.demo.wire.faults import FaultScript
from services.demo.wire.handler import handler_for
from services.demo.wire.http_server import HttpServer
from services.demo.wire.journal import Entry, Journal

LOOPBACK = "127.0.0.1"


class ArchiveServer(FaultScript):
    """A server: its addresses, the faults that it is told to have, and what was asked of it."""

    def __init__(self, archive: MadeUpArchive, host: str = LOOPBACK, port: int = 0) -> None:
        """Bind to an address, of which port 0 is any free port; raises `CallError` where it cannot be had."""
        super().__init__()
        self._journal = Journal()
        self._site = Site(archive)
        handler = handler_for(self._site.answer, self, self._journal)
        try:
            self._http = HttpServer((host, port), handler)
        except OSError as error:
            raise CallError(
                f"No server can listen on {host}:{port}: {error}. Choose another port."
            ) from error

    @property
    def url(self) -> str:
        """The server's address, without a slash at the end."""
        host, port = self._http.server_address[:2]
        return f"http://{host!s}:{port}"

    @property
    def dandi_api(self) -> str:
        """The address of DANDI's API."""
        return f"{self.url}/api"

    @property
    def figshare_api(self) -> str:
        """The address of figshare's API."""
        return f"{self.url}/v2"

    def requests(self, pattern: str = "", method: str | None = None) -> list[Entry]:
        """Return the requests whose decoded path and query have a match of the pattern, oldest first."""
        return self._journal.find(pattern, method)

    def forget_requests(self) -> None:
        """Forget all requests up to now."""
        self._journal.clear()

    def expire_links(self) -> None:
        """Let every signed link that was given out so far run out."""
        self._site.links.expire()

    def serve_forever(self) -> None:
        """Answer requests until `close` is called from another thread."""
        self._http.serve_forever(poll_interval=0.05)

    def close(self) -> None:
        """Stop listening, end all connections, and wait for their threads."""
        self._http.shutdown()
        self.heal()
        self._http.end_connections()
        self._http.server_close()


@contextmanager
def serve(archive: MadeUpArchive, host: str = LOOPBACK, port: int = 0) -> Iterator[ArchiveServer]:
    """Serve an archive on a thread of this process, as long as the context lasts."""
    server = ArchiveServer(archive, host, port)
    thread = threading.Thread(target=server.serve_forever, name="made-up archive")
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()
