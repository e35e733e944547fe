"""The dataset repository on the hub: what it holds, its branches and its tags."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from huggingface_hub import CommitOperationAdd, RepoFile
from huggingface_hub.errors import RepositoryNotFoundError
from huggingface_hub.hf_api import GitRefs

from services.common.errors import HubError, NetworkError
from services.common.hub_target import MAIN
from services.merger.hub.client import Hub
from services.merger.hub.difference import HubFile
from services.merger.hub.failures import told_failures

DATASET = "dataset"
_NOTHING_IGNORED = "# Every file of the pile belongs to the dataset.\n"


@dataclass(frozen=True, slots=True)
class Standing:
    """A branch as it is now: its newest commit, if there is one, the files of that, and all tags."""

    commit: str | None = None
    files: Mapping[str, HubFile] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


def standing(hub: Hub) -> Standing:
    """Return what stands in the branch of the target, and what it would begin with where it is missing."""
    refs = _refs(hub)
    return Standing() if refs is None else _standing(hub, refs)


def prepared(hub: Hub) -> Standing:
    """Return what stands in the branch of the target; the repository and the branch are made if missing."""
    refs = _refs(hub) or _created(hub)
    branches = _branches(hub, refs)
    if hub.target.revision not in branches and MAIN in branches:
        with told_failures(hub.target):
            hub.api.create_branch(
                hub.target.repository, branch=hub.target.revision, repo_type=DATASET, exist_ok=True
            )
        refs = _refs(hub) or refs
    return _standing(hub, refs)


def files_of(hub: Hub, commit: str) -> Mapping[str, HubFile]:
    """Return the files of a commit."""
    with told_failures(hub.target):
        tree = hub.api.list_repo_tree(
            hub.target.repository, recursive=True, revision=commit, repo_type=DATASET
        )
        return {
            entry.path: HubFile(entry.size, entry.blob_id, entry.lfs.sha256 if entry.lfs else None)
            for entry in tree
            if isinstance(entry, RepoFile)
        }


def send_large_files(hub: Hub, additions: Sequence[CommitOperationAdd]) -> None:
    """Bring those to the storage that the hub wants there and lacks; a .gitignore leaves none of them out."""
    with told_failures(hub.target):
        hub.api.preupload_lfs_files(
            hub.target.repository,
            additions,
            repo_type=DATASET,
            revision=hub.target.revision,
            gitignore_content=_NOTHING_IGNORED,
        )


def tag(hub: Hub, name: str, commit: str) -> None:
    """Let a tag lead to a commit; one that is there stays."""
    with told_failures(hub.target):
        hub.api.create_tag(hub.target.repository, tag=name, revision=commit, repo_type=DATASET, exist_ok=True)


def _refs(hub: Hub) -> GitRefs | None:
    """Return branches and tags, or None where there is no such repository."""
    with told_failures(hub.target):
        try:
            return hub.api.list_repo_refs(hub.target.repository, repo_type=DATASET)
        except RepositoryNotFoundError:
            return None


def _created(hub: Hub) -> GitRefs:
    with told_failures(hub.target):
        hub.api.create_repo(
            hub.target.repository, private=hub.target.private, repo_type=DATASET, exist_ok=True
        )
    refs = _refs(hub)
    if refs is None:
        raise NetworkError(f"{hub.target.repository} was made, but is not to be seen yet.")
    return refs


def _standing(hub: Hub, refs: GitRefs) -> Standing:
    branches = _branches(hub, refs)
    commit = branches.get(hub.target.revision, branches.get(MAIN))
    tags = {each.name: each.target_commit for each in refs.tags}
    return Standing(commit, {} if commit is None else files_of(hub, commit), tags)


def _branches(hub: Hub, refs: GitRefs) -> Mapping[str, str]:
    revision = hub.target.revision
    branches = {branch.name: branch.target_commit for branch in refs.branches}
    if revision not in branches and any(each.name == revision for each in refs.tags):
        raise HubError(f"{revision} is a tag of {hub.target.repository}; name a branch.")
    return branches
