"""Commits, and the names that lead to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from math import ceil
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Base64Bytes, Field, TypeAdapter, ValidationError

from standins.hub import attributes
from standins.hub.documents import (
    Batch,
    Document,
    LfsObject,
    NewBranch,
    NewRepository,
    NewTag,
    Offer,
    Offers,
    Parts,
    read_document,
    unreadable,
)
from standins.hub.hub import Hub, Named
from standins.hub.refusals import no_entry, no_revision, refusal
from standins.hub.repository import (
    MAIN,
    Commit,
    Repository,
    Tree,
    TreeFile,
    below,
    large_file,
    make_commit,
    regular_file,
)
from standins.wire.messages import Answer, Request, json_answer, whole_body

_FORBIDDEN = frozenset({"", ".", "..", ".git"})
USER = "made-up"


class Header(Document):
    """What a commit says of itself."""

    summary: str
    description: str = ""
    parent: str | None = Field(None, alias="parentCommit")


def _fit(path: str) -> str:
    """Return a path without the slash at its end; raises ValueError where no repository can have it."""
    path = path.removesuffix("/")
    if not _FORBIDDEN.isdisjoint(path.split("/")):
        raise ValueError("no path of a repository")
    return path


_Path = Annotated[str, AfterValidator(_fit)]


class LargeFile(LfsObject):
    """A file that came before the commit."""

    path: _Path


class RegularFile(Document):
    """A file that comes with the commit."""

    path: _Path
    content: Base64Bytes


@dataclass(frozen=True, slots=True)
class Changes:
    """The lines of a commit, by their kinds."""

    header: Header
    files: Sequence[RegularFile]
    large_files: Sequence[LargeFile]
    deleted: Sequence[str]
    deleted_folders: Sequence[str]

    @property
    def added(self) -> dict[str, TreeFile]:
        """The files that come."""
        regular = {file.path: regular_file(file.content) for file in self.files}
        return regular | {file.path: large_file(file.oid, file.size) for file in self.large_files}


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


class Deletion(Document):
    """A file or folder that goes."""

    path: _Path


class _HeaderLine(Document):
    key: Literal["header"]
    value: Header


class _FileLine(Document):
    key: Literal["file"]
    value: RegularFile


class _LargeLine(Document):
    key: Literal["lfsFile"]
    value: LargeFile


class _DeletionLine(Document):
    key: Literal["deletedFile", "deletedFolder"]
    value: Deletion


_LINE: TypeAdapter[_HeaderLine | _FileLine | _LargeLine | _DeletionLine] = TypeAdapter(
    Annotated[_HeaderLine | _FileLine | _LargeLine | _DeletionLine, Field(discriminator="key")]
)


def read_changes(body: bytes) -> Changes:
    """Read the lines of a commit; raises `RefusalError` for what cannot be understood."""
    try:
        lines = [_LINE.validate_json(line) for line in body.splitlines() if line.strip()]
    except ValidationError as error:
        raise unreadable(error) from error
    headers = [line.value for line in lines if isinstance(line, _HeaderLine)]
    if len(headers) != 1:
        raise refusal(HTTPStatus.BAD_REQUEST, "A commit has one line that is its header.")
    gone = [line for line in lines if isinstance(line, _DeletionLine)]
    return Changes(
        headers[0],
        [line.value for line in lines if isinstance(line, _FileLine)],
        [line.value for line in lines if isinstance(line, _LargeLine)],
        [line.value.path for line in gone if line.key == "deletedFile"],
        [line.value.path for line in gone if line.key == "deletedFolder"],
    )


def changed(tree: Tree, changes: Changes, commit: str) -> Tree:
    """Return the files after the changes; `commit` is the one that they are made to."""
    left = dict(tree)
    for path in changes.deleted:
        if left.pop(path, None) is None:
            raise no_entry(path, commit)
    for folder in changes.deleted_folders:
        gone = below(tree, folder)
        if not gone:
            raise no_entry(folder, commit)
        left = {path: file for path, file in left.items() if path not in gone}
    return left | changes.added


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


class Accounts:
    """Answers that no repository is needed for."""

    def __init__(self, hub: Hub) -> None:
        """Answer for a hub."""
        self._hub = hub

    def whoami(self, request: Request, _: Named) -> Answer:
        """Tell who asks; who does not say so is refused, also where everybody may write."""
        role = self._hub.access.role(request)
        if role is None or "authorization" not in request.headers:
            raise refusal(HTTPStatus.UNAUTHORIZED, "Invalid username or password.")
        token = {"displayName": USER, "role": role.value}
        return json_answer(
            {
                "type": "user",
                "id": USER,
                "name": USER,
                "fullname": USER,
                "orgs": [],
                "auth": {"type": "access_token", "accessToken": token},
            }
        )

    def create(self, request: Request, _: Named) -> Answer:
        """Create a dataset; one that is there is a conflict, whose answer says where it is."""
        asked = read_document(request, NewRepository)
        if asked.type != "dataset":
            raise refusal(HTTPStatus.BAD_REQUEST, "The made-up hub has datasets only.")
        repository = self._hub.repositories.place(_identifier(asked))
        found = {"url": f"http://{request.host}/datasets/{repository.identifier}"}
        with repository.lock:
            if repository.exists:
                told = {**found, "error": "You already created this dataset repo"}
                return json_answer(told, HTTPStatus.CONFLICT)
            _begin(repository, private=asked.visibility == "private")
        return json_answer(found)


def _identifier(asked: NewRepository) -> str:
    return f"{asked.organization or USER}/{asked.name}"


def _begin(repository: Repository, *, private: bool) -> None:
    """Create a repository as the hub does: with a first commit, of attributes."""
    content = attributes.first_attributes()
    file = regular_file(content)
    repository.objects.take(iter([content]), file.sha256, file.size)
    repository.create(make_commit({attributes.NAME: file}, "initial commit"), private=private)
