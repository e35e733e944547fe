"""The one commit of a push, and the small files in it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from huggingface_hub import CommitOperationAdd, CommitOperationDelete

from services.merger.hub.client import Hub
from services.merger.hub.failures import told_failures
from services.merger.hub.papers import Paper
from services.merger.hub.repository import DATASET, send_large_files


@dataclass(frozen=True, slots=True)
class Commit:
    """What is committed, on top of which commit; shards are at the hub already."""

    title: str
    text: str
    parent: str | None
    shards: Sequence[CommitOperationAdd]
    papers: Sequence[Paper]
    deleted: Iterable[str]


def commit(hub: Hub, change: Commit) -> str:
    """Make the commit, and return its name.

    Raises `MovedError` where its parent is no longer the newest commit, `LostAnswerError` where it may have
    been made or not.
    """
    papers = [paper.addition() for paper in change.papers]
    deletions = [CommitOperationDelete(path, is_folder=False) for path in change.deleted]
    send_large_files(hub, papers)
    with told_failures(hub.target):
        made = hub.api.create_commit(
            hub.target.repository,
            [*change.shards, *papers, *deletions],
            commit_message=change.title,
            commit_description=change.text,
            repo_type=DATASET,
            revision=hub.target.revision,
            parent_commit=change.parent,
        )
    return made.oid
