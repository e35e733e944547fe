"""Commits, and how they are written down."""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from services.demo.hub.tree import Tree, TreeFile, tree_id


@dataclass(frozen=True, slots=True)
class Commit:
    """All files of a repository at one time, and who came before."""

    oid: str
    parent: str | None
    title: str
    message: str
    date: str
    tree: Tree


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
