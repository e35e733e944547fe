"""What a repository is: its facts, commits, branches and tags."""

from typing import Any

from services.demo.hub.commits import Commit
from services.demo.hub.hub import Hub, Named
from services.demo.hub.pages import page
from services.demo.hub.repository import MAIN, Repository
from services.demo.hub.tree import TreeFile
from services.demo.wire.messages import Answer, Request, json_answer


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
