"""What a push would change: the files of a pile against those of a repository; pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

OWN_FOLDERS = ("data", "pictures")
"""What stands below these belongs to the pile; with the card and the provenance that is all we ever touch."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository: git's name for it, and the sha256 of its bytes where it is a large one."""

    size: int
    blob_id: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class PileFile:
    """A file of the pile: git's name for its bytes is known only of those that are small."""

    path: str
    size: int
    sha256: str
    blob_id: str | None = None

    def equals(self, found: HubFile | None) -> bool:
        """Tell whether the hub holds these bytes."""
        if found is None:
            return False
        if found.sha256 is not None:
            return found.sha256 == self.sha256
        return found.blob_id == self.blob_id


@dataclass(frozen=True, slots=True)
class Difference:
    """What a push uploads, keeps and deletes, with sizes; pictures that are `drawn` have none yet.

    What is `replaced` is uploaded in the place of another file.
    """

    uploaded: Mapping[str, int] = field(default_factory=dict)
    replaced: frozenset[str] = frozenset()
    kept: Mapping[str, int] = field(default_factory=dict)
    deleted: Mapping[str, int] = field(default_factory=dict)
    drawn: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Tell whether the hub holds the pile and nothing else that would be read with it."""
        return not (self.uploaded or self.deleted or self.drawn)

    @property
    def bytes_to_upload(self) -> int:
        """The sizes of what is uploaded: no more than that travels."""
        return sum(self.uploaded.values())

    def __str__(self) -> str:
        """Name the files, for an error."""
        names = [*self.uploaded, *self.drawn, *self.deleted]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        return ", ".join(names[:_NAMED]) + more


_NAMED = 5


def difference(
    files: Iterable[PileFile], pictures: Iterable[str], present: Mapping[str, HubFile]
) -> Difference:
    """Compare a pile with the files of a repository.

    Pictures that are there are as good as new ones, unless something else changes: they look different with
    every version of the program that draws them.
    """
    wanted = {file.path: file for file in files}
    uploaded = {path: file.size for path, file in wanted.items() if not file.equals(present.get(path))}
    names = tuple(pictures)
    deleted = {
        path: found.size
        for path, found in sorted(present.items())
        if path not in wanted and path not in names and _is_ours(path)
    }
    is_changed = bool(uploaded or deleted) or any(name not in present for name in names)
    still = [*(path for path in wanted if path not in uploaded), *(() if is_changed else names)]
    return Difference(
        uploaded=uploaded,
        replaced=frozenset(uploaded.keys() & present.keys()),
        kept={path: present[path].size for path in still},
        deleted=deleted,
        drawn=names if is_changed else (),
    )


def is_foreign(present: Mapping[str, HubFile], provenance: str) -> bool:
    """Tell whether files stand where a pile's would, though no pile is there: a dataset of somebody else."""
    return provenance not in present and any(_is_ours(path) for path in present)


def _is_ours(path: str) -> bool:
    return path.partition("/")[0] in OWN_FOLDERS
