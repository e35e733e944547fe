"""One push: all files to the hub's storage, one commit that makes them the dataset, and its tag."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha1, sha256

from huggingface_hub import CommitOperationAdd, CommitOperationDelete

from spikemill.services.common.errors import DamagedOutputError, HubError
from spikemill.services.common.hub_target import HubTarget, Transfer, require_redistributable
from spikemill.services.merger.card import HubCard, render_card
from spikemill.services.merger.hub.client import BACKOFF, Hub, RequestLimits, connected
from spikemill.services.merger.hub.errors import LostAnswerError, MovedError, translate_errors
from spikemill.services.merger.hub.repository import (
    DATASET,
    Branch,
    Difference,
    HubFile,
    PileFile,
    branch_of,
    create_tag,
    difference,
    files_of,
    is_foreign,
    send_large_files,
)
from spikemill.services.merger.hub.upload import ShardStep, send_shard, stored_addition, stored_shards
from spikemill.services.merger.plots import draw_pictures, picture_paths
from spikemill.services.merger.provenance import CARD, PROVENANCE, StoredPile, release_name, release_tag


class PushProgress:
    """Called at each step of a push; an error that it raises stops the push, which may be started again."""

    def shard_done(self, step: ShardStep) -> None:
        """The hub has a shard."""

    def about_to_commit(self) -> None:
        """All files are there, and the dataset is about to change."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """What came of a push: the commit that holds the pile, whether it is new, and what was sent for it.

    A shard counts as uploaded where bytes of it were sent, else as kept.
    """

    commit: str
    url: str
    tag: str
    is_new: bool
    uploaded_shards: int
    uploaded_bytes: int
    kept_shards: int
    deleted: int


@dataclass(frozen=True, slots=True)
class SmallFile:
    """A file that is made for a push, and its path in the repository."""

    path: str
    content: bytes

    @property
    def file(self) -> PileFile:
        """What it is, to be compared."""
        digest = sha256(self.content).hexdigest()
        return PileFile(self.path, len(self.content), digest, blob_id(self.content))


def blob_id(content: bytes) -> str:
    """Return git's name for these bytes."""
    return sha1(b"blob %d\0%b" % (len(content), content), usedforsecurity=False).hexdigest()


def push(
    pile: StoredPile,
    target: HubTarget,
    *,
    transfer: Transfer = Transfer.LFS,
    progress: PushProgress | None = None,
    backoff: RequestLimits = BACKOFF,
) -> Pushed:
    """Make the target this pile, by one commit; by none where it is this pile already.

    Raises `CallError` where a source may not be published, `DamagedOutputError` where a file of the pile is
    not what its provenance says, `NetworkError` where trying again may help, `HubError` where it will not.
    """
    require_redistributable(pile.provenance.pile.sources)
    with connected(target, backoff) as hub:
        return _Push(hub, pile, transfer, progress or PushProgress(), _small_files(pile, target)).run()


def preview(pile: StoredPile, target: HubTarget, *, backoff: RequestLimits = BACKOFF) -> Difference:
    """Return what a push would change, and change nothing; raises what `push` raises."""
    require_redistributable(pile.provenance.pile.sources)
    with connected(target, backoff) as hub:
        before = branch_of(hub)
        _require_no_other_dataset(hub, before)
        return _compare(pile, _small_files(pile, target), before.files)


def _small_files(pile: StoredPile, target: HubTarget) -> list[SmallFile]:
    with pile.local(PROVENANCE) as path:
        lines = path.read_bytes()
    if sha256(lines).hexdigest() != pile.provenance_sha256:
        raise DamagedOutputError(
            f"{PROVENANCE} was changed while it was published; verify the pile, push again."
        )
    place = HubCard(target.repository, picture_paths(pile.provenance), target.revision)
    card = render_card(pile.provenance, pile.provenance_sha256, hub=place)
    return [SmallFile(CARD, card.encode("utf-8")), SmallFile(PROVENANCE, lines)]


def _require_no_other_dataset(hub: Hub, before: Branch) -> None:
    """Refuse to take the place of a dataset that is no pile: a name may be mistyped."""
    if is_foreign(before.files, PROVENANCE):
        raise HubError(
            f"{hub.target} holds a dataset that spikemill did not push: files in data/ or pictures/ and no "
            f"{PROVENANCE}. Name another repository or branch, or delete those files first."
        )


def _compare(pile: StoredPile, small: Sequence[SmallFile], present: Mapping[str, HubFile]) -> Difference:
    shards = [PileFile(shard.name, shard.bytes, shard.sha256) for shard in pile.provenance.pile.shards]
    pictures = picture_paths(pile.provenance).values()
    return difference([*shards, *(each.file for each in small)], pictures, present)


@dataclass
class _Push:
    """A push under way."""

    hub: Hub
    pile: StoredPile
    transfer: Transfer
    progress: PushProgress
    small_files: Sequence[SmallFile]
    _additions: dict[str, CommitOperationAdd] = field(default_factory=dict)
    _steps: dict[str, ShardStep] = field(default_factory=dict)
    _tried: Difference | None = None

    def run(self) -> Pushed:
        """Compare, send, commit; again where somebody else was faster or an answer was lost."""
        failures = 0
        while True:
            before = branch_of(self.hub, create=True)
            if self._tried is None:
                _require_no_other_dataset(self.hub, before)
            change = _compare(self.pile, self.small_files, before.files)
            self._send_shards(change)
            if change.is_empty:
                return self._tagged(before.commit or "", before.tags)
            additions = self._small_additions(change, before)
            self.progress.about_to_commit()
            self._tried = change
            try:
                made = self._commit(change, additions, before.commit)
            except (MovedError, LostAnswerError) as error:
                failures += 1
                self.hub.backoff.wait(failures, error, f"Looking at {self.hub.target} again")
            else:
                self._require_whole(made)
                return self._tagged(made, before.tags)

    def _send_shards(self, change: Difference) -> None:
        """Bring every shard to the hub that is not part of the dataset there, and report each once."""
        shards = self.pile.provenance.pile.shards
        wanted = change.uploaded.keys() - self._additions.keys()
        missing = {shard.name: shard for shard in shards if shard.name in wanted}
        stored = stored_shards(self.hub, [*missing.values()]) if self.transfer is Transfer.LFS else ()
        for number, shard in enumerate(shards, start=1):
            before = self.hub.counter.arrived
            if shard.name in stored:
                self._additions[shard.name] = stored_addition(shard)
            elif shard.name in missing:
                self._additions[shard.name] = send_shard(self.hub, self.pile, shard, self.transfer)
            elif shard.name in self._steps:
                continue
            step = ShardStep(shard.name, number, len(shards), self.hub.counter.arrived - before)
            self._steps[shard.name] = step
            self.progress.shard_done(step)

    def _small_additions(self, change: Difference, before: Branch) -> list[CommitOperationAdd]:
        files = [*self.small_files, *(self._pictures if change.drawn else ())]
        changed = [each for each in files if not each.file.equals(before.files.get(each.path))]
        # Buffers, for bytes would be sent by Xet where that is installed.
        return [CommitOperationAdd(each.path, io.BytesIO(each.content)) for each in changed]

    @cached_property
    def _pictures(self) -> Sequence[SmallFile]:
        drawn = draw_pictures(self.pile)
        return [
            SmallFile(path, drawn[source]) for source, path in picture_paths(self.pile.provenance).items()
        ]

    def _commit(self, change: Difference, small: Sequence[CommitOperationAdd], parent: str | None) -> str:
        """Make the commit, and return its name.

        Raises `MovedError` where its parent is no longer the newest commit, `LostAnswerError` where it may
        have been made or not.
        """
        target, name = self.hub.target, self.pile.provenance.pile.name
        shards = [self._additions[path] for path in change.uploaded if path in self._additions]
        deletions = [CommitOperationDelete(path, is_folder=False) for path in change.deleted]
        send_large_files(self.hub, small)
        with translate_errors(target):
            made = self.hub.api.create_commit(
                target.repository,
                [*shards, *small, *deletions],
                commit_message=f"{name}: release {release_name(self.pile.provenance_sha256)}",
                commit_description=f"The sha256 of {PROVENANCE} is {self.pile.provenance_sha256}.",
                repo_type=DATASET,
                revision=target.revision,
                parent_commit=parent,
            )
        return made.oid

    def _require_whole(self, made: str) -> None:
        """Check that the commit holds the pile, by what the hub lists."""
        change = _compare(self.pile, self.small_files, files_of(self.hub, made))
        if not change.is_empty:
            raise HubError(
                f"The commit {made} of {self.hub.target} is not the pile: {change}. The hub changed or left "
                "out what was sent; see the repository's .gitattributes and .gitignore, then push again."
            )

    def _tagged(self, made: str, tags: Mapping[str, str]) -> Pushed:
        name = release_tag(self.pile.provenance_sha256)
        if name not in tags:
            create_tag(self.hub, name, made)
        uploaded = sum(step.sent_bytes > 0 for step in self._steps.values())
        return Pushed(
            commit=made,
            url=self.hub.target.address_of(made),
            tag=name,
            is_new=self._tried is not None,
            uploaded_shards=uploaded,
            uploaded_bytes=self.hub.counter.arrived,
            kept_shards=len(self._steps) - uploaded,
            deleted=len(self._tried.deleted) if self._tried else 0,
        )
