"""What a repository is: its facts, commits, branches and tags."""

import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from standins.hub.hub import Hub, Named
from standins.hub.refusals import no_entry, refusal
from standins.hub.repository import MAIN, Commit, Repository, Tree, TreeFile, below, folders, tree_id
from standins.wire.messages import Answer, Content, FilePart, Request, json_answer, requested_span, whole_body

_TOKEN_SECONDS = 3600


class Browsing:
    """Answers the requests that look at a repository."""

    def __init__(self, hub: Hub) -> None:
        """Answer for a hub."""
        self._hub = hub

    def info(self, request: Request, repository: Repository, named: Named) -> Answer:
        """Describe a repository at a revision."""
        facts, commit = repository.facts, repository.commit(named.get("revision") or MAIN)
        details = "blobs" in request.query
        siblings = [_sibling(path, file, details=details) for path, file in sorted(commit.tree.items())]
        return json_answer(
            {
                "_id": repository.identifier,
                "id": repository.identifier,
                "author": repository.identifier.partition("/")[0],
                "sha": commit.oid,
                "lastModified": commit.date,
                "createdAt": facts.created,
                "private": facts.private,
                "gated": False,
                "disabled": False,
                "downloads": 0,
                "likes": 0,
                "tags": [],
                "siblings": siblings,
            }
        )

    def commits(self, request: Request, repository: Repository, named: Named) -> Answer:
        """List a revision's commits, newest first."""
        history = [_commit_entry(each) for each in repository.history(repository.commit(named["revision"]))]
        return page(request, history, self._hub.limits.page_size)

    def refs(self, _: Request, repository: Repository, __: Named) -> Answer:
        """List branches and tags."""
        facts = repository.facts
        branches = [_ref("heads", name, oid) for name, oid in sorted(facts.branches.items())]
        tags = [_ref("tags", name, oid) for name, oid in sorted(facts.tags.items())]
        return json_answer({"branches": branches, "tags": tags, "converts": [], "pullRequests": []})


def _sibling(path: str, file: TreeFile, *, details: bool) -> dict[str, Any]:
    if not details:
        return {"rfilename": path}
    lfs = {"sha256": file.sha256, "size": file.size, "pointerSize": file.pointer_size}
    entry = {"rfilename": path, "size": file.size, "blobId": file.blob}
    return entry | ({"lfs": lfs} if file.large else {})


def _commit_entry(commit: Commit) -> dict[str, Any]:
    told = {"id": commit.oid, "title": commit.title, "message": commit.message, "date": commit.date}
    return {**told, "authors": [{"user": "made-up"}]}


def _ref(kind: str, name: str, oid: str) -> dict[str, str]:
    return {"name": name, "ref": f"refs/{kind}/{name}", "targetCommit": oid}


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


class Listing:
    """Answers the requests that list files."""

    def __init__(self, hub: Hub) -> None:
        """Answer for a hub."""
        self._hub = hub

    def tree(self, request: Request, repository: Repository, named: Named) -> Answer:
        """List what is in a folder, or everything below it."""
        commit, folder = repository.commit(named["revision"]), named["path"].strip("/")
        found = below(commit.tree, folder)
        if folder and not found:
            raise no_entry(folder, commit.oid)
        start = f"{folder}/" if folder else ""
        entries = [entry for entry in self._entries(found, commit) if entry["path"].startswith(start)]
        if request.query.get("recursive", "").lower() not in {"true", "1"}:
            entries = [entry for entry in entries if "/" not in entry["path"].removeprefix(start)]
        return page(request, entries, self._hub.limits.page_size)

    def paths(self, request: Request, repository: Repository, named: Named) -> Answer:
        """Describe those of the paths that are there."""
        commit = repository.commit(named["revision"])
        asked = {path.strip("/") for path in parse_qs(whole_body(request).decode()).get("paths", [])}
        return json_answer([each for each in self._entries(commit.tree, commit) if each["path"] in asked])

    def _entries(self, tree: Tree, commit: Commit) -> list[dict[str, Any]]:
        """Describe files, and the folders that lead to them, in the order of their paths."""
        files = [self._file_entry(path, file) for path, file in tree.items()]
        ways = [_folder_entry(folder, commit.tree) for folder in folders(tree)]
        return sorted(files + ways, key=lambda entry: str(entry["path"]))

    def _file_entry(self, path: str, file: TreeFile) -> dict[str, Any]:
        entry: dict[str, Any] = {"type": "file", "oid": file.blob, "size": file.size, "path": path}
        if file.large:
            entry["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": file.pointer_size}
        if file.large and (name := self._hub.xet.name_of(file.sha256, file.size)):
            entry["xetHash"] = name
        return entry


def _folder_entry(folder: str, tree: Tree) -> dict[str, Any]:
    return {"type": "directory", "oid": tree_id(below(tree, folder)), "size": 0, "path": folder}


def page(request: Request, entries: Sequence[dict[str, Any]], size: int) -> Answer:
    """Answer with one page of a list, and with where the next one is."""
    cursor = request.query.get("cursor", "0")
    if not cursor.isdecimal():
        raise refusal(400, f"No page begins at {cursor}.")
    following = int(cursor) + size
    answer = json_answer(entries[int(cursor) : following])
    if following >= len(entries):
        return answer
    link = f'<{request.url(cursor=following)}>; rel="next"'
    return Answer(answer.status, answer.body, {**answer.headers, "Link": link})
