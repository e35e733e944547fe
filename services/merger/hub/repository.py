"""The dataset repository on the hub: what it holds, and what a push would change."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from huggingface_hub import CommitOperationAdd, RepoFile
from huggingface_hub.errors import RepositoryNotFoundError
from huggingface_hub.hf_api import GitRefs

from spikemill.services.common.errors import HubError, NetworkError
from spikemill.services.common.hub_target import MAIN
from spikemill.services.merger.hub.client import Hub
from spikemill.services.merger.hub.errors import translate_errors

DATASET = "dataset"
_NOTHING_IGNORED = "# Every file of the pile belongs to the dataset.\n"
# Files in these belong to the pile; with the card and the provenance that is all that a push touches.
_OWN_FOLDERS = ("data", "pictures")
_NAMED = 5


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository: git's name for it, and the sha256 of its bytes where it is a large one."""

    size: int
    blob_id: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch as it is now: its newest commit, if there is one, the files of that, and all tags."""

    commit: str | None = None
    files: Mapping[str, HubFile] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


def branch_of(hub: Hub, *, create: bool = False) -> Branch:
    """Return the branch of the target, or the empty one that it would start with where it is missing.

    With `create` the repository and the branch are made if missing.
    """
    target = hub.target
    refs = _refs(hub)
    if refs is None:
        if not create:
            return Branch()
        with translate_errors(target):
            hub.api.create_repo(target.repository, private=target.private, repo_type=DATASET, exist_ok=True)
        refs = _refs(hub)
        if refs is None:
            raise NetworkError(f"{target.repository} was made, but is not visible yet.")
    commits = _commits(hub, refs)
    if create and target.revision not in commits and MAIN in commits:
        with translate_errors(target):
            hub.api.create_branch(target.repository, branch=target.revision, repo_type=DATASET, exist_ok=True)
        refs = _refs(hub) or refs
        commits = _commits(hub, refs)
    commit = commits.get(target.revision, commits.get(MAIN))
    tags = {tag.name: tag.target_commit for tag in refs.tags}
    return Branch(commit, {} if commit is None else files_of(hub, commit), tags)


def _refs(hub: Hub) -> GitRefs | None:
    """Return branches and tags, or None where there is no such repository."""
    with translate_errors(hub.target):
        try:
            return hub.api.list_repo_refs(hub.target.repository, repo_type=DATASET)
        except RepositoryNotFoundError:
            return None


def _commits(hub: Hub, refs: GitRefs) -> Mapping[str, str]:
    """Return the newest commit of each branch."""
    revision = hub.target.revision
    commits = {branch.name: branch.target_commit for branch in refs.branches}
    if revision not in commits and any(tag.name == revision for tag in refs.tags):
        raise HubError(f"{revision} is a tag of {hub.target.repository}; name a branch.")
    return commits


def files_of(hub: Hub, commit: str) -> Mapping[str, HubFile]:
    """Return the files of a commit."""
    with translate_errors(hub.target):
        tree = hub.api.list_repo_tree(
            hub.target.repository, recursive=True, revision=commit, repo_type=DATASET
        )
        return {
            entry.path: HubFile(entry.size, entry.blob_id, entry.lfs.sha256 if entry.lfs else None)
            for entry in tree
            if isinstance(entry, RepoFile)
        }


def send_large_files(hub: Hub, additions: Sequence[CommitOperationAdd]) -> None:
    """Send those to the storage that the hub wants there and lacks; a .gitignore leaves none of them out."""
    with translate_errors(hub.target):
        hub.api.preupload_lfs_files(
            hub.target.repository,
            additions,
            repo_type=DATASET,
            revision=hub.target.revision,
            gitignore_content=_NOTHING_IGNORED,
        )


def create_tag(hub: Hub, name: str, commit: str) -> None:
    """Tag a commit; a tag that exists stays where it is."""
    with translate_errors(hub.target):
        hub.api.create_tag(hub.target.repository, tag=name, revision=commit, repo_type=DATASET, exist_ok=True)


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
        """The sizes of what is uploaded: no more than that is sent."""
        return sum(self.uploaded.values())

    def __str__(self) -> str:
        """Name the files, for an error."""
        names = [*self.uploaded, *self.drawn, *self.deleted]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        return ", ".join(names[:_NAMED]) + more


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
    """Tell whether this is a dataset that spikemill did not push: files in a pile's folders, and no pile."""
    return provenance not in present and any(_is_ours(path) for path in present)


def _is_ours(path: str) -> bool:
    return path.partition("/")[0] in _OWN_FOLDERS
