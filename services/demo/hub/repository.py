"""A dataset's repository on the disk: commits, the branches and tags that name them, and contents.

A commit is written before the branch that leads to it, each in one step: a hub that is killed leaves the
commit that was, or the one that is to be.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from services.demo.hub import commits
from services.demo.hub.commits import Commit
from services.demo.hub.disk import write_whole
from services.demo.hub.objects import Objects
from services.demo.hub.refusals import no_revision

MAIN = "main"


@dataclass(frozen=True, slots=True)
class Facts:
    """What can change of a repository; branches and tags lead to commits."""

    private: bool
    created: str
    branches: Mapping[str, str]
    tags: Mapping[str, str]


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
        return commits.read(path.read_bytes())

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
        write_whole(self._commit_path(commit.oid), commits.written(commit))

    def _change(self, facts: Facts) -> None:
        write_whole(self._facts_path, json.dumps(asdict(facts)).encode())
