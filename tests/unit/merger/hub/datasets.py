"""Piles to push, and what is then to be seen at the made-up hub, looked at from its own side."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

from spikemill.services.merger.hub.client import RequestLimits
from spikemill.services.merger.hub.push import PushProgress
from spikemill.services.merger.hub.upload import ShardStep
from spikemill.services.merger.plots import picture_paths
from spikemill.services.merger.provenance import StoredPile, pile_in_folder
from standins.hub.hub import Repositories
from standins.hub.kinds import Kind
from standins.hub.repository import Repository
from standins.hub.server import HubServer
from tests.unit.merger.generated_piles import make_sessions, write_pile

REPOSITORY = "lab/spikes"
HASTY = RequestLimits(tries=3, first_pause=0.01, longest_pause=0.05)
"""Waits that no test feels."""
CURT = RequestLimits(tries=2, first_pause=0.01, longest_pause=0.05, silence=2.0, commit=2.0)
"""And a server may not be silent for long."""


def smaller_pile(folder: Path) -> StoredPile:
    """Write a pile of other rows and fewer shards."""
    write_pile(folder / "smaller", make_sessions(folder / "other-store")[:4])
    return pile_in_folder(folder / "smaller")


@dataclass
class Steps(PushProgress):
    """Hears of a push, and remembers it."""

    shards: list[ShardStep] = field(default_factory=list)
    commits: int = 0

    def shard_done(self, step: ShardStep) -> None:
        """Remember a shard."""
        self.shards.append(step)

    def about_to_commit(self) -> None:
        """Count a commit."""
        self.commits += 1


@dataclass(frozen=True)
class Dataset:
    """A repository of the made-up hub."""

    hub: HubServer
    folder: Path
    name: str = REPOSITORY

    @property
    def repository(self) -> Repository:
        """The repository on the hub's disk."""
        return Repositories(self.folder / "datasets").find(self.name)

    def titles(self, branch: str = "main") -> list[str]:
        """Return the titles of the commits, newest first, without the one that made the repository."""
        held = self.repository
        return [commit.title for commit in held.history(held.commit(branch))][:-1]

    def head(self, branch: str = "main") -> str:
        """Return the newest commit."""
        return self.repository.commit(branch).oid

    def tags(self) -> Mapping[str, str]:
        """Return the tags, and the commits that they lead to."""
        return self.repository.facts.tags

    def sha256s(self, branch: str = "main") -> dict[str, str]:
        """Return the sha256 of every file but that of git itself."""
        tree = self.repository.commit(branch).tree
        return {path: file.sha256 for path, file in tree.items() if path != ".gitattributes"}

    def content(self, path: str, branch: str = "main") -> bytes:
        """Return a file that did not come by Xet."""
        content: bytes = self.repository.objects.path(self.sha256s(branch)[path]).read_bytes()
        return content

    def require(
        self, pile: StoredPile, others: Mapping[str, str] | None = None, branch: str = "main"
    ) -> None:
        """See that the dataset is this pile, and that nothing else is there but the `others`."""
        held = self.sha256s(branch)
        pictures = set(picture_paths(pile.provenance).values())
        assert pictures <= held.keys()
        for path in [*pictures, "README.md"]:
            del held[path]
        shards = {shard.name: shard.sha256 for shard in pile.provenance.pile.shards}
        assert held == {**shards, "provenance.jsonl": pile.provenance_sha256, **(others or {})}
        assert pile.provenance_sha256 in self.content("README.md", branch).decode()

    def make(self) -> None:
        """Make the repository, as somebody does who has nothing to put there yet."""
        HfApi(endpoint=self.hub.url, token=False).create_repo(self.name, repo_type="dataset")

    def change(self, added: Mapping[str, bytes] | None = None, deleted: tuple[str, ...] = ()) -> str:
        """Commit as somebody else; return the name of the commit."""
        additions = [CommitOperationAdd(path, content) for path, content in (added or {}).items()]
        deletions = [CommitOperationDelete(path) for path in deleted]
        made = HfApi(endpoint=self.hub.url, token=False).create_commit(
            self.name, [*additions, *deletions], commit_message="Somebody else's", repo_type="dataset"
        )
        return made.oid

    def stored(self, pile: StoredPile) -> list[str]:
        """Return the shards whose bytes the hub has, be they part of the dataset or not."""
        objects = self.repository.objects
        return [each.name for each in pile.provenance.pile.shards if objects.has(each.sha256, each.bytes)]

    def arrivals(self) -> list[str]:
        """Return the sha256 of each file that came by one request, once for each time.

        What was refused is left out; what was not answered may have come.
        """
        sent = [entry for entry in self.hub.requests(Kind.UPLOAD) if entry.status in (0, 200)]
        return [entry.target.split("/")[-2] for entry in sent]
