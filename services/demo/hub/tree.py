"""The files of a commit, and the ids that git has for them."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath


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
