"""The made-up hub as an HTTP server."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from urllib.parse import unquote, urlsplit

from standins.hub.access import Access, Role
from standins.hub.documents import validate
from standins.hub.hub import NO_MULTIPART, PAGE_SIZE, PART_SIZE, Hub, Limits, Named, OfRepository, Plain
from standins.hub.objects import held_folder
from standins.hub.reading import Browsing, Listing, Resolving
from standins.hub.writing import Accounts, Committing, Uploading
from standins.wire.messages import Answer, RefusalError, Request, page_not_found
from standins.wire.server import LOOPBACK, ScriptedServer

_REPOSITORY = "(?P<repository>[^/]+/[^/]+)"
_API = f"/api/datasets/{_REPOSITORY}"
_REVISION = "(?P<revision>[^/]+)"
_LFS = f"/lfs/{_REPOSITORY}"
_OBJECT = "(?P<sha256>[0-9a-f]{64})"


class HubServer(ScriptedServer):
    """The hub's server: its address, the faults that it is told to have, and what was asked of it.

    `Kind` has the patterns of all kinds of requests.
    """

    def __init__(self, hub: Hub, host: str = LOOPBACK, port: int = 0) -> None:
        """Bind to an address, of which port 0 is any free port; raises `CallError` where it cannot be had."""
        self._hub = hub
        super().__init__(HubSite(hub).answer, host, port)

    @property
    def xet_bytes(self) -> int:
        """How many bytes of content clients have put into the Xet store."""
        return self._hub.xet.stored_bytes


@contextmanager
def serve_hub(
    folder: Path,
    *,
    host: str = LOOPBACK,
    port: int = 0,
    token: str | Mapping[str, Role] | None = None,
    multipart_above: int | None = None,
    part_size: int = PART_SIZE,
    page_size: int = PAGE_SIZE,
) -> Iterator[HubServer]:
    """Serve the repositories in a folder on a thread of this process, as long as the context lasts.

    Without any token everybody may write; else a token's role says what it is good for. Contents above
    `multipart_above` bytes are uploaded in parts, lists come in pages.
    """
    tokens = {token: Role.WRITE} if isinstance(token, str) else token or {}
    limits = Limits(NO_MULTIPART if multipart_above is None else multipart_above, part_size, page_size)
    with held_folder(folder):
        server = HubServer(Hub(folder, Access(tokens), limits), host, port)
        with server.running():
            yield server


class Right(Enum):
    """What a request needs."""

    NONE = auto()
    READ = auto()
    WRITE = auto()


@dataclass(frozen=True, slots=True)
class Route:
    """A kind of request: methods, address, the right that it needs, and what answers it."""

    methods: str
    address: str
    right: Right
    answer: Plain

    def find(self, request: Request) -> Named | None:
        """Return what the address names, decoded, or None where it is another kind."""
        found = re.fullmatch(self.address, urlsplit(request.target).path)
        if found is None or request.method not in self.methods.split():
            return None
        return {name: unquote(text) for name, text in found.groupdict(default="").items()}


class HubSite:
    """Answers every request to the hub."""

    def __init__(self, hub: Hub) -> None:
        """Answer for a hub."""
        self._hub = hub
        self._routes = [*self._account_routes(), *self._upload_routes(), *self._repository_routes()]

    def answer(self, request: Request) -> Answer:
        """Answer a request, or say that there is nothing at its address."""
        for route in self._routes:
            named = route.find(request)
            if named is not None:
                return self._answer(route, request, named)
        return page_not_found()

    def _answer(self, route: Route, request: Request, named: Named) -> Answer:
        try:
            if route.right is Right.WRITE:
                self._hub.access.require_write(request)
            return route.answer(request, named)
        except RefusalError as refused:
            return refused.answer

    def _account_routes(self) -> list[Route]:
        accounts = Accounts(self._hub)
        return [
            Route("GET", "/api/whoami-v2", Right.NONE, accounts.whoami),
            Route("POST", "/api/validate-yaml", Right.NONE, validate),
            Route("POST", "/api/repos/create", Right.WRITE, accounts.create),
        ]

    def _upload_routes(self) -> list[Route]:
        uploading = Uploading(self._hub)
        batch = rf"/datasets/{_REPOSITORY}\.git/info/lfs/objects/batch"
        return [
            self._route("POST", f"{_API}/preupload/{_REVISION}", Right.WRITE, uploading.preupload),
            self._route("POST", batch, Right.WRITE, uploading.batch),
            self._route("PUT", rf"{_LFS}/upload/{_OBJECT}/(?P<size>\d+)", Right.NONE, uploading.upload),
            self._route("PUT", rf"{_LFS}/part/{_OBJECT}/(?P<number>\d+)", Right.NONE, uploading.part),
            self._route("POST", rf"{_LFS}/complete/{_OBJECT}/(?P<size>\d+)", Right.NONE, uploading.complete),
            self._route("POST", f"{_LFS}/verify", Right.WRITE, uploading.verify),
        ]

    def _repository_routes(self) -> list[Route]:
        browsing, listing = Browsing(self._hub), Listing(self._hub)
        committing, resolving = Committing(self._hub), Resolving(self._hub)
        path = "(?P<path>.+)"
        return [
            self._route("POST", f"{_API}/commit/{_REVISION}", Right.WRITE, committing.commit),
            self._route("POST", f"{_API}/branch/(?P<branch>[^/]+)", Right.WRITE, committing.create_branch),
            self._route("POST", f"{_API}/tag/{_REVISION}", Right.WRITE, committing.create_tag),
            self._route("GET", f"{_API}/xet-write-token/{_REVISION}", Right.WRITE, resolving.xet_token),
            self._route("GET", f"{_API}/xet-read-token/{_REVISION}", Right.READ, resolving.xet_token),
            self._route("GET", f"{_API}(?:/revision/{_REVISION})?", Right.READ, browsing.info),
            self._route("GET", f"{_API}/commits/{_REVISION}", Right.READ, browsing.commits),
            self._route("GET", f"{_API}/refs", Right.READ, browsing.refs),
            self._route("GET", f"{_API}/tree/{_REVISION}(?:/{path})?", Right.READ, listing.tree),
            self._route("POST", f"{_API}/paths-info/{_REVISION}", Right.READ, listing.paths),
            self._route(
                "GET HEAD",
                f"/datasets/{_REPOSITORY}/resolve/{_REVISION}/{path}",
                Right.READ,
                resolving.resolve,
            ),
        ]

    def _route(self, methods: str, address: str, right: Right, answer: OfRepository) -> Route:
        """Return a route whose address names a repository, which must be there."""

        def answer_of_repository(request: Request, named: Named) -> Answer:
            repository = self._hub.repositories.find(named["repository"])
            if right is Right.READ:
                self._hub.access.require_read(request, repository)
            return answer(request, repository, named)

        return Route(methods, address, right, answer_of_repository)
