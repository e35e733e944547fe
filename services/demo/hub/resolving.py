"""Files of a repository, as a client reads them."""

import time
from http import HTTPStatus

from services.demo.hub.hub import Hub, Named
from services.demo.hub.refusals import no_entry
from services.demo.hub.repository import Repository
from services.demo.hub.tree import TreeFile
from services.demo.wire.messages import Answer, Content, FilePart, Request, json_answer
from services.demo.wire.ranges import requested_span

_TOKEN_SECONDS = 3600


class Resolving:
    """Answers the requests for contents, and for the way into the Xet store."""

    def __init__(self, hub: Hub) -> None:
        """Answer for a hub."""
        self._hub = hub

    def resolve(self, request: Request, repository: Repository, named: Named) -> Answer:
        """Give a file, or the range of it that was asked for."""
        commit, path = repository.commit(named["revision"]), named["path"]
        file = commit.tree.get(path)
        if file is None:
            raise no_entry(path, commit.oid)
        headers = self._headers(request, repository, file, commit.oid)
        span = requested_span(request, headers["ETag"], file.size)
        if span is None:
            return Answer(HTTPStatus.OK, self._content(repository, file, range(file.size)), headers)
        if not span:
            headers["Content-Range"] = f"bytes */{file.size}"
            return Answer(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers=headers)
        headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{file.size}"
        return Answer(HTTPStatus.PARTIAL_CONTENT, self._content(repository, file, span), headers)

    def xet_token(self, _: Request, __: Repository, ___: Named) -> Answer:
        """Tell where the Xet store is; its clients go there themselves."""
        expiry = int(time.time()) + _TOKEN_SECONDS
        address, token = self._hub.xet.address, "made-up"
        answer = json_answer({"casUrl": address, "accessToken": token, "exp": expiry})
        headers = {
            "X-Xet-Cas-Url": address,
            "X-Xet-Access-Token": token,
            "X-Xet-Token-Expiration": str(expiry),
        }
        return Answer(HTTPStatus.OK, answer.body, {**answer.headers, **headers})

    def _headers(
        self, request: Request, repository: Repository, file: TreeFile, commit: str
    ) -> dict[str, str]:
        headers = {
            "ETag": f'"{file.oid}"',
            "X-Repo-Commit": commit,
            "Accept-Ranges": "bytes",
            "Content-Type": "application/octet-stream",
        }
        if not file.large:
            return headers
        headers |= {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": str(file.size)}
        if name := self._hub.xet.name_of(file.sha256, file.size):
            api = f"http://{request.host}/api/datasets/{repository.identifier}"
            headers |= {"X-Xet-Hash": name, "X-Xet-Refresh-Route": f"{api}/xet-read-token/{commit}"}
        return headers

    def _content(self, repository: Repository, file: TreeFile, span: range) -> Content:
        if repository.objects.has(file.sha256, file.size):
            path = repository.objects.path(file.sha256)
            return FilePart(lambda: path.open("rb"), span.start, len(span))
        return self._hub.xet.content(file.sha256, file.size, span)
