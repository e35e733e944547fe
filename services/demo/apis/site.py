"""Which part of the made-up archive answers a request."""

from collections.abc import Callable

from services.demo.apis import dandi, figshare
from services.demo.archive import MadeUpArchive
from services.demo.storage import objects
from services.demo.storage.signed_links import SignedLinks
from services.demo.wire.messages import Answer, RefusalError, Request, page_not_found

WEBSITE_PREFIX = "/ndownloader/"


class Site:
    """DANDI's API, figshare's API, the storage of both, and figshare's guarded website."""

    def __init__(self, archive: MadeUpArchive) -> None:
        """Serve an archive."""
        self.links = SignedLinks()
        self._parts: dict[str, Callable[[Request], Answer]] = {
            dandi.PREFIX: dandi.DandiApi(archive, self.links).answer,
            figshare.PREFIX: figshare.FigshareApi(archive, self.links).answer,
            objects.PREFIX: objects.Storage(archive, self.links).answer,
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
