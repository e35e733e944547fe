"""Which part of the hub answers a request, and who may ask it."""

import re
from dataclasses import dataclass
from enum import Enum, auto
from urllib.parse import unquote, urlsplit

from services.demo.hub.accounts import Accounts
from services.demo.hub.browsing import Browsing
from services.demo.hub.card_metadata import validate
from services.demo.hub.committing import Committing
from services.demo.hub.hub import Hub, Named, OfRepository, Plain
from services.demo.hub.listing import Listing
from services.demo.hub.resolving import Resolving
from services.demo.hub.uploading import Uploading
from services.demo.wire.messages import Answer, RefusalError, Request, page_not_found

_REPOSITORY = "(?P<repository>[^/]+/[^/]+)"
_API = f"/api/datasets/{_REPOSITORY}"
_REVISION = "(?P<revision>[^/]+)"
_LFS = f"/lfs/{_REPOSITORY}"
_OBJECT = "(?P<sha256>[0-9a-f]{64})"


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
