"""One push: all files to the hub's storage, one commit that makes them the dataset, and its tag."""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from huggingface_hub import CommitOperationAdd, CommitOperationDelete

from spikemill.services.common.errors import HubError
from spikemill.services.common.hub_target import HubTarget, Transfer, require_redistributable
from spikemill.services.merger.hub.client import BACKOFF, BackoffPolicy, Hub, connected
from spikemill.services.merger.hub.errors import LostAnswerError, MovedError, translate_errors
from spikemill.services.merger.hub.pile_files import (
    PileFiles,
    SmallFile,
    drawn_pictures,
    picture_paths,
    small_files_of,
)
from spikemill.services.merger.hub.repository import (
    DATASET,
    Difference,
    HubFile,
    PileFile,
    Standing,
    difference,
    files_of,
    is_foreign,
    prepared,
    send_large_files,
    standing,
    tag,
)
from spikemill.services.merger.hub.upload import (
    Progress,
    ShardStep,
    Silent,
    sent_shard,
    stored_addition,
    stored_shards,
)
from spikemill.services.merger.provenance import PROVENANCE, release_name, release_tag

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pushed:
    """What came of a push: the commit that holds the pile, whether it is new, and what travelled for it.

    A shard counts as uploaded where bytes of it travelled, else as kept.
    """

    commit: str
    url: str
    tag: str
    is_new: bool
    uploaded_shards: int
    uploaded_bytes: int
    kept_shards: int
    deleted: int


def push(
    pile: PileFiles,
    target: HubTarget,
    *,
    transfer: Transfer = Transfer.LFS,
    progress: Progress | None = None,
    patience: BackoffPolicy = BACKOFF,
) -> Pushed:
    """Let the target be this pile, by one commit; by none where it is it already.

    Raises `CallError` where a source may not be published, `DamagedOutputError` where a file of the pile is
    not what its provenance says, `NetworkError` where trying again may help, `HubError` where it will not.
    """
    require_redistributable(pile.provenance.pile.sources)
    with connected(target, patience) as hub:
        return Publication(hub, pile, transfer, progress or Silent(), small_files_of(pile, target)).run()


def preview(pile: PileFiles, target: HubTarget, *, patience: BackoffPolicy = BACKOFF) -> Difference:
    """Return what a push would change, and change nothing; raises what `push` raises."""
    require_redistributable(pile.provenance.pile.sources)
    with connected(target, patience) as hub:
        before = standing(hub)
        require_no_other_dataset(hub, before)
        return compared(pile, small_files_of(pile, target), before.files)


@dataclass(frozen=True, slots=True)
class Commit:
    """What is committed, on top of which commit; shards are at the hub already."""

    title: str
    text: str
    parent: str | None
    shards: Sequence[CommitOperationAdd]
    papers: Sequence[SmallFile]
    deleted: Iterable[str]


@dataclass
class Publication:
    """A push on its way."""

    hub: Hub
    pile: PileFiles
    transfer: Transfer
    progress: Progress
    papers: Sequence[SmallFile]
    _additions: dict[str, CommitOperationAdd] = field(default_factory=dict)
    _steps: dict[str, ShardStep] = field(default_factory=dict)
    _tried: Difference | None = None

    def run(self) -> Pushed:
        """Compare, send, commit; do it again where somebody else was faster or an answer was lost."""
        failures = 0
        while True:
            before = prepared(self.hub)
            if self._tried is None:
                require_no_other_dataset(self.hub, before)
            change = compared(self.pile, self.papers, before.files)
            self._send_shards(change)
            if change.is_empty:
                return self._tagged(before.commit or "", before.tags)
            planned = self._commit(change, before)
            self.progress.about_to_commit()
            self._tried = change
            try:
                made = commit(self.hub, planned)
            except (MovedError, LostAnswerError) as error:
                failures += 1
                trouble = error
            else:
                self._require_whole(made)
                return self._tagged(made, before.tags)
            self._bear(trouble, failures)

    def _send_shards(self, change: Difference) -> None:
        """Bring every shard to the hub that is not part of the dataset there, and tell of each once."""
        shards = self.pile.provenance.pile.shards
        wanted = change.uploaded.keys() - self._additions.keys()
        missing = {each.name: each for each in shards if each.name in wanted}
        stored = stored_shards(self.hub, [*missing.values()]) if self.transfer is Transfer.LFS else ()
        for number, shard in enumerate(shards, start=1):
            before = self.hub.cargo.arrived
            if shard.name in stored:
                self._additions[shard.name] = stored_addition(shard)
            elif shard.name in missing:
                self._additions[shard.name] = sent_shard(self.hub, self.pile, shard, self.transfer)
            elif shard.name in self._steps:
                continue
            travelled = self.hub.cargo.arrived - before
            step = ShardStep(shard.name, number, len(shards), shard.bytes, travelled)
            self._steps[shard.name] = step
            self.progress.shard_done(step)

    def _commit(self, change: Difference, before: Standing) -> Commit:
        sha256 = self.pile.provenance_sha256
        pictures = self._pictures if change.drawn else []
        return Commit(
            title=f"{self.pile.provenance.pile.name}: release {release_name(sha256)}",
            text=f"The sha256 of {PROVENANCE} is {sha256}.",
            parent=before.commit,
            shards=[self._additions[name] for name in change.uploaded if name in self._additions],
            papers=[
                paper
                for paper in (*self.papers, *pictures)
                if not paper.file.equals(before.files.get(paper.path))
            ],
            deleted=change.deleted,
        )

    @cached_property
    def _pictures(self) -> Sequence[SmallFile]:
        return drawn_pictures(self.pile)

    def _bear(self, trouble: MovedError | LostAnswerError, failures: int) -> None:
        """Wait before the next round, or give up."""
        pause = self.hub.patience.pause(failures, trouble.retry_after)
        if pause is None:
            raise trouble
        _log.warning("%s Looking at %s again in %.0f s.", trouble, self.hub.target, pause)
        time.sleep(pause)

    def _require_whole(self, made: str) -> None:
        """See that the commit holds the pile, by what the hub says of it."""
        change = compared(self.pile, self.papers, files_of(self.hub, made))
        if not change.is_empty:
            raise HubError(
                f"The commit {made} of {self.hub.target} is not the pile: {change}. The hub changed or left "
                "out what was sent; see the repository's .gitattributes and .gitignore, then push again."
            )

    def _tagged(self, made: str, tags: Mapping[str, str]) -> Pushed:
        """Tag the commit, and say what was done."""
        name = release_tag(self.pile.provenance_sha256)
        if name not in tags:
            tag(self.hub, name, made)
        uploaded = sum(step.travelled > 0 for step in self._steps.values())
        return Pushed(
            commit=made,
            url=self.hub.target.address_of(made),
            tag=name,
            is_new=self._tried is not None,
            uploaded_shards=uploaded,
            uploaded_bytes=self.hub.cargo.arrived,
            kept_shards=len(self._steps) - uploaded,
            deleted=len(self._tried.deleted) if self._tried else 0,
        )


def require_no_other_dataset(hub: Hub, before: Standing) -> None:
    """Refuse to take the place of a dataset that is no pile: a name may be mistyped."""
    if is_foreign(before.files, PROVENANCE):
        raise HubError(
            f"{hub.target} holds a dataset that spikemill did not push: files in data/ or pictures/ and no "
            f"{PROVENANCE}. Name another repository or branch, or delete those files first."
        )


def compared(pile: PileFiles, papers: Sequence[SmallFile], present: Mapping[str, HubFile]) -> Difference:
    """Return how a pile differs from the files of a repository."""
    shards = [PileFile(shard.name, shard.bytes, shard.sha256) for shard in pile.provenance.pile.shards]
    return difference([*shards, *(paper.file for paper in papers)], picture_paths(pile).values(), present)


def commit(hub: Hub, change: Commit) -> str:
    """Make the commit, and return its name.

    Raises `MovedError` where its parent is no longer the newest commit, `LostAnswerError` where it may have
    been made or not.
    """
    papers = [paper.addition() for paper in change.papers]
    deletions = [CommitOperationDelete(path, is_folder=False) for path in change.deleted]
    send_large_files(hub, papers)
    with translate_errors(hub.target):
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
