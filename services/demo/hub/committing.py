"""Commits, and the names that lead to them."""

from http import HTTPStatus

from services.demo.hub.changes import Changes, changed, read_changes
from services.demo.hub.commits import Commit, make_commit
from services.demo.hub.documents import NewBranch, NewTag, read_document
from services.demo.hub.hub import Hub, Named
from services.demo.hub.refusals import no_revision, refusal
from services.demo.hub.repository import MAIN, Repository
from services.demo.hub.tree import regular_file
from services.demo.wire.bodies import whole_body
from services.demo.wire.messages import Answer, Request, json_answer


class Committing:
    """Answers the requests that change what a repository shows."""

    def __init__(self, hub: Hub) -> None:
        """Answer for a hub."""
        self._hub = hub

    def commit(self, request: Request, repository: Repository, named: Named) -> Answer:
        """Make a commit: all of it, or none."""
        if "create_pr" in request.query:
            raise refusal(HTTPStatus.FORBIDDEN, "The made-up hub has no pull requests.")
        changes = read_changes(whole_body(request))
        self._take_contents(repository, changes)
        with repository.lock:
            commit = _append(repository, named["revision"], changes)
        address = f"http://{request.host}/datasets/{repository.identifier}/commit/{commit.oid}"
        return json_answer({"success": True, "commitOid": commit.oid, "commitUrl": address, "hookOutput": ""})

    def create_branch(self, request: Request, repository: Repository, named: Named) -> Answer:
        """Let a new branch begin."""
        start = read_document(request, NewBranch).start or MAIN
        with repository.lock:
            if named["branch"] in repository.facts.branches:
                raise refusal(HTTPStatus.CONFLICT, f"Reference already exists: {named['branch']}")
            repository.name_branch(named["branch"], repository.commit(start).oid)
        return json_answer({})

    def create_tag(self, request: Request, repository: Repository, named: Named) -> Answer:
        """Tag a commit; a tag that is there stays where it is."""
        tag = read_document(request, NewTag).tag
        with repository.lock:
            if tag in repository.facts.tags:
                raise refusal(HTTPStatus.CONFLICT, f"Tag reference exists already: {tag}")
            repository.name_tag(tag, repository.commit(named["revision"]).oid)
        return json_answer({})

    def _take_contents(self, repository: Repository, changes: Changes) -> None:
        """Keep what came with the commit; large files must have come before."""
        for large in changes.large_files:
            if not self._hub.stores(repository, large.oid, large.size):
                message = f"{large.path} points to a content that does not exist; upload it first."
                raise refusal(HTTPStatus.BAD_REQUEST, message)
        for file in changes.files:
            told = regular_file(file.content)
            repository.objects.take(iter([file.content]), told.sha256, told.size)


def _append(repository: Repository, branch: str, changes: Changes) -> Commit:
    """Let a branch lead to what the changes make of it, unless they were meant for another commit."""
    if branch not in repository.facts.branches:
        raise no_revision(branch)
    head, header = repository.commit(branch), changes.header
    if header.parent and not head.oid.startswith(header.parent):
        message = "A commit has happened since. Please refresh and try again."
        raise refusal(HTTPStatus.PRECONDITION_FAILED, message)
    tree = changed(head.tree, changes, head.oid)
    commit = make_commit(tree, header.summary, header.description, head.oid)
    repository.append(branch, commit)
    return commit
