"""What a commit changes, as its lines say, and the files that come of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Literal

from pydantic import AfterValidator, Base64Bytes, Field, TypeAdapter, ValidationError

from services.demo.hub.documents import Document, LfsObject, unreadable
from services.demo.hub.refusals import no_entry, refusal
from services.demo.hub.tree import Tree, TreeFile, below, large_file, regular_file

_FORBIDDEN = frozenset({"", ".", "..", ".git"})


def _fit(path: str) -> str:
    """Return a path without the slash at its end; raises ValueError where no repository can have it."""
    path = path.removesuffix("/")
    if not _FORBIDDEN.isdisjoint(path.split("/")):
        raise ValueError("no path of a repository")
    return path


_Path = Annotated[str, AfterValidator(_fit)]


class Header(Document):
    """What a commit says of itself."""

    summary: str
    description: str = ""
    parent: str | None = Field(None, alias="parentCommit")


class RegularFile(Document):
    """A file that comes with the commit."""

    path: _Path
    content: Base64Bytes


class LargeFile(LfsObject):
    """A file that came before the commit."""

    path: _Path


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
