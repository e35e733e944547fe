"""Contents on their way in: what is to be sent how, and taken in by one request or in parts."""

from collections.abc import Sequence
from http import HTTPStatus
from math import ceil
from typing import Any

from services.demo.hub import attributes
from services.demo.hub.documents import Batch, LfsObject, Offer, Offers, Parts, read_document
from services.demo.hub.hub import Hub, Named
from services.demo.hub.refusals import refusal
from services.demo.hub.repository import Repository
from services.demo.hub.tree import Tree
from services.demo.wire.messages import Answer, Request, json_answer


class Uploading:
    """Answers the requests that bring a repository's contents.

    The links to upload to are not signed: whoever knows one may use it.
    """

    def __init__(self, hub: Hub) -> None:
        """Answer for a hub."""
        self._hub = hub

    def preupload(self, request: Request, repository: Repository, named: Named) -> Answer:
        """Tell of each file how it is to be uploaded, and what is there under its name."""
        commit = repository.commit(named["revision"])
        listed = commit.tree.get(attributes.NAME)
        rules = repository.objects.path(listed.sha256).read_bytes() if listed and not listed.large else b""
        files = [_mode(file, rules, commit.tree) for file in read_document(request, Offers).files]
        return json_answer({"files": files})

    def batch(self, request: Request, repository: Repository, _: Named) -> Answer:
        """Tell where each content is to be sent; one that is there needs nothing."""
        asked = read_document(request, Batch)
        base = f"http://{request.host}/lfs/{repository.identifier}"
        objects = [self._told(each, repository, base, asked.transfers) for each in asked.objects]
        return json_answer({"transfer": "basic", "objects": objects})

    def upload(self, request: Request, repository: Repository, named: Named) -> Answer:
        """Take a content in."""
        repository.objects.take(request.body, named["sha256"], int(named["size"]))
        return Answer(HTTPStatus.OK)

    def part(self, request: Request, repository: Repository, named: Named) -> Answer:
        """Take a part of a content in."""
        etag = repository.objects.take_part(request.body, named["sha256"], int(named["number"]))
        return Answer(HTTPStatus.OK, headers={"ETag": etag})

    def complete(self, request: Request, repository: Repository, named: Named) -> Answer:
        """Put a content's parts together."""
        etags = {part.number: part.etag for part in read_document(request, Parts).parts}
        repository.objects.complete(named["sha256"], int(named["size"]), etags)
        return json_answer({})

    def verify(self, request: Request, repository: Repository, _: Named) -> Answer:
        """Tell whether a content is there."""
        asked = read_document(request, LfsObject)
        if not repository.objects.has(asked.oid, asked.size):
            raise refusal(HTTPStatus.NOT_FOUND, "The object is not here; upload it again.")
        return json_answer({})

    def _told(
        self, asked: LfsObject, repository: Repository, base: str, transfers: Sequence[str]
    ) -> dict[str, Any]:
        told: dict[str, Any] = {"oid": asked.oid, "size": asked.size}
        if self._hub.stores(repository, asked.oid, asked.size):
            return told
        place = f"{asked.oid}/{asked.size}"
        upload: dict[str, Any] = {"href": f"{base}/upload/{place}"}
        if "multipart" in transfers and asked.size > self._hub.limits.multipart_above:
            upload = {"href": f"{base}/complete/{place}", "header": self._parts(base, asked)}
        return {**told, "actions": {"upload": upload, "verify": {"href": f"{base}/verify"}}}

    def _parts(self, base: str, asked: LfsObject) -> dict[str, str]:
        part_size = self._hub.limits.part_size
        numbers = range(1, ceil(asked.size / part_size) + 1)
        return {"chunk_size": str(part_size)} | {str(n): f"{base}/part/{asked.oid}/{n}" for n in numbers}


def _mode(offer: Offer, rules: bytes, tree: Tree) -> dict[str, Any]:
    large = attributes.is_large(offer.path, offer.size, offer.sample, rules)
    told = {"path": offer.path, "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}
    there = tree.get(offer.path)
    return told | ({"oid": there.oid} if there else {})
