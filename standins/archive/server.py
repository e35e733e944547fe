"""The made-up archive as an HTTP server: DANDI below /api, figshare below /v2, content below /storage."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from standins.archive import dandi, figshare, storage
from standins.archive.content import MadeUpArchive
from standins.archive.storage import SignedLinks
from standins.wire.messages import Answer, RefusalError, Request, page_not_found
from standins.wire.server import LOOPBACK, ScriptedServer

WEBSITE_PREFIX = "/ndownloader/"


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


class Site:
    """DANDI's API, figshare's API, the storage of both, and figshare's guarded website."""

    def __init__(self, archive: MadeUpArchive) -> None:
        """Serve an archive."""
        self.links = SignedLinks()
        self._parts: dict[str, Callable[[Request], Answer]] = {
            dandi.PREFIX: dandi.DandiApi(archive, self.links).answer,
            figshare.PREFIX: figshare.FigshareApi(archive, self.links).answer,
            storage.PREFIX: storage.Storage(archive, self.links).answer,
            WEBSITE_PREFIX: figshare.website_answer,
        }

    def answer(self, request: Request) -> Answer:
        """Answer a request, or say that there is nothing at its address."""
        for prefix, answer in self._parts.items():
            if request.path.startswith(prefix):
                try:
                    return answer(request)
                except RefusalError as refusal:
                    return refusal.answer
        return page_not_found()
