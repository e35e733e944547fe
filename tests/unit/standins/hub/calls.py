"""Calls of the hub's client, as the tests make them."""

import hashlib
from collections.abc import Mapping, Sequence

from huggingface_hub import CommitInfo, CommitOperationAdd, CommitOperationDelete, HfApi, RepoFile

from standins.hub.server import HubServer

REPOSITORY = "lab/spikes"
CARD = b"---\nlicense: mit\n---\n# Spikes\n"


def content(size: int, seed: int = 0) -> bytes:
    """Return bytes that do not repeat."""
    return b"".join(hashlib.sha256(b"%d %d" % (seed, n)).digest() for n in range(size // 32 + 1))[:size]


def commit(
    api: HfApi, added: Mapping[str, bytes], deleted: Sequence[str] = (), parent: str | None = None
) -> CommitInfo:
    """Commit files and deletions."""
    additions = [CommitOperationAdd(path, held) for path, held in added.items()]
    deletions = [CommitOperationDelete(path) for path in deleted]
    return api.create_commit(
        REPOSITORY,
        [*deletions, *additions],
        commit_message="A change",
        repo_type="dataset",
        parent_commit=parent,
    )


def files(api: HfApi, revision: str | None = None) -> dict[str, str]:
    """Return the sha256, or git's id, of each file."""
    listed = api.list_repo_tree(REPOSITORY, repo_type="dataset", recursive=True, revision=revision)
    return {
        each.path: each.lfs.sha256 if each.lfs else each.blob_id
        for each in listed
        if isinstance(each, RepoFile) and each.path != ".gitattributes"
    }


def head(api: HfApi, revision: str | None = None) -> str:
    """Return the id of the newest commit."""
    return str(api.dataset_info(REPOSITORY, revision=revision).sha)


def sent(hub: HubServer, pattern: str) -> int:
    """Return how many bytes clients sent with the requests of a kind."""
    return sum(entry.bytes_received for entry in hub.requests(pattern))
