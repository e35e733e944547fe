"""A dataset's repository on the disk: commits, the branches and tags that name them, and contents.

A commit is written before the branch that leads to it, each in one step: a hub that is killed leaves the
commit that was, or the one that is to be.
"""

import hashlib
import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from standins.hub.objects import Objects, write_whole
from standins.hub.refusals import no_revision

MAIN = "main"


@dataclass(frozen=True, slots=True)
class Facts:
    """What can change of a repository; branches and tags lead to commits."""

    private: bool
    created: str
    branches: Mapping[str, str]
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TreeFile:
    """A file of a commit: git holds it, or, where it is `large`, a pointer to it."""

    size: int
    sha256: str
    blob: str
    large: bool

    @property
    def oid(self) -> str:
        """What a client compares with a file of its own: the sha256 where it is large, git's id else."""
        return self.sha256 if self.large else self.blob

    @property
    def pointer_size(self) -> int:
        """The number of bytes that git holds in place of a large file."""
        return len(_pointer(self.sha256, self.size))


Tree = Mapping[str, TreeFile]


@dataclass(frozen=True, slots=True)
class Commit:
    """All files of a repository at one time, and who came before."""

    oid: str
    parent: str | None
    title: str
    message: str
    date: str
    tree: Tree


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository in a folder; who changes it holds the lock, from reading what is there on."""

    identifier: str
    folder: Path
    lock: threading.RLock

    @property
    def exists(self) -> bool:
        """Tell whether it was created."""
        return self._facts_path.is_file()

    @property
    def objects(self) -> Objects:
        """The contents of its files."""
        return Objects(self.folder / "objects")

    @property
    def facts(self) -> Facts:
        """What it is now."""
        return Facts(**json.loads(self._facts_path.read_bytes()))

    def create(self, first: Commit, *, private: bool) -> None:
        """Begin it with a commit."""
        created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self._keep(first)
        self._change(Facts(private, created, {MAIN: first.oid}, {}))

    def commit(self, revision: str) -> Commit:
        """Return the commit that a branch, a tag or an id names; raises `RefusalError` without one."""
        facts = self.facts
        oid = facts.branches.get(revision) or facts.tags.get(revision) or revision
        path = self._commit_path(oid)
        if "/" in oid or not path.is_file():
            raise no_revision(revision)
        return read(path.read_bytes())

    def history(self, commit: Commit) -> Iterator[Commit]:
        """Yield a commit and all that came before it, newest first."""
        yield commit
        while commit.parent is not None:
            commit = self.commit(commit.parent)
            yield commit

    def append(self, branch: str, commit: Commit) -> None:
        """Let a branch lead to a new commit."""
        self._keep(commit)
        self.name_branch(branch, commit.oid)

    def name_branch(self, branch: str, oid: str) -> None:
        """Let a branch lead to a commit."""
        facts = self.facts
        self._change(replace(facts, branches={**facts.branches, branch: oid}))

    def name_tag(self, tag: str, oid: str | None) -> None:
        """Let a tag lead to a commit, or to none any more."""
        facts = self.facts
        others = {name: lead for name, lead in facts.tags.items() if name != tag}
        self._change(replace(facts, tags=others if oid is None else {**others, tag: oid}))

    @property
    def _facts_path(self) -> Path:
        return self.folder / "repository.json"

    def _commit_path(self, oid: str) -> Path:
        return self.folder / "commits" / f"{oid}.json"

    def _keep(self, commit: Commit) -> None:
        write_whole(self._commit_path(commit.oid), written(commit))

    def _change(self, facts: Facts) -> None:
        write_whole(self._facts_path, json.dumps(asdict(facts)).encode())


def make_commit(tree: Tree, title: str, message: str = "", parent: str | None = None) -> Commit:
    """Return the commit of these files, made now."""
    date = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    told = json.dumps([tree_id(tree), parent, title, message, date])
    return Commit(
        hashlib.sha1(told.encode(), usedforsecurity=False).hexdigest(), parent, title, message, date, tree
    )


def written(commit: Commit) -> bytes:
    """Return a commit as it is kept."""
    return json.dumps(asdict(commit)).encode()


def read(content: bytes) -> Commit:
    """Return the commit that was written so."""
    kept: dict[str, Any] = json.loads(content)
    tree = {path: TreeFile(**file) for path, file in kept.pop("tree").items()}
    return Commit(**kept, tree=tree)


def regular_file(content: bytes) -> TreeFile:
    """Describe a file that git holds."""
    return TreeFile(len(content), hashlib.sha256(content).hexdigest(), _git_id("blob", content), large=False)


def large_file(sha256: str, size: int) -> TreeFile:
    """Describe a file to which git holds a pointer."""
    return TreeFile(size, sha256, _git_id("blob", _pointer(sha256, size)), large=True)


def below(tree: Tree, folder: str) -> Tree:
    """Return the files below a folder, of which `""` is the whole."""
    start = f"{folder}/" if folder else ""
    return {path: file for path, file in tree.items() if path.startswith(start)}


def folders(paths: Iterable[str]) -> set[str]:
    """Return every folder that the paths pass through."""
    return {str(parent) for path in paths for parent in PurePosixPath(path).parents if parent.name}


def tree_id(tree: Tree) -> str:
    """Return an id that changes with every path and file of a tree."""
    listing = "\n".join(f"{path}\0{file.blob}" for path, file in sorted(tree.items()))
    return _git_id("tree", listing.encode())


def _pointer(sha256: str, size: int) -> bytes:
    """Return what git holds in place of a large file."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()


def _git_id(kind: str, content: bytes) -> str:
    """Return the id that git gives an object."""
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content, usedforsecurity=False).hexdigest()
