"""Pushes to the made-up hub: what it holds afterwards, and what travelled."""

import json
import logging
import subprocess
import sys
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest
from huggingface_hub import constants

from spikemill.services.common.errors import CallError, DamagedOutputError, HubError
from spikemill.services.common.hub_target import HubTarget
from spikemill.services.common.store import FolderStore
from spikemill.services.merger.hub.push import Pushed, preview, push
from spikemill.services.merger.hub.upload import ShardStep
from spikemill.services.merger.provenance import StoredPile, parse_provenance, pile_in_folder
from standins.hub.kinds import Kind
from standins.hub.server import HubServer
from tests.unit.merger.generated_piles import write_metadata
from tests.unit.merger.hub.datasets import HASTY, REPOSITORY, Dataset, Steps, smaller_pile

pytestmark = pytest.mark.slow

_PROGRAM = "tests.unit.merger.hub.push_program"
_CARD = b"---\nlicense: mit\n---\n# Theirs\n"
_CHECKOUT = Path(__file__).parents[4]


def shard_names(pile: StoredPile) -> list[str]:
    return [shard.name for shard in pile.provenance.pile.shards]


def pushed(pile: StoredPile, target: HubTarget) -> Pushed:
    return push(pile, target, backoff=HASTY)


def test_a_first_push_makes_the_repository_one_commit_and_a_tag(
    published: StoredPile, target: HubTarget, dataset: Dataset
) -> None:
    steps = Steps()

    done = push(published, target, progress=steps, backoff=HASTY)

    dataset.require(published)
    assert dataset.titles() == [f"generated-pile: release {published.provenance_sha256[:16]}"]
    assert done.commit == dataset.head()
    assert dataset.tags() == {f"release-{published.provenance_sha256[:16]}": done.commit}
    assert done.is_new
    assert done.url == target.address_of(done.commit)
    shards = published.provenance.pile.shards
    assert [(step.name, step.number, step.of, step.sent_bytes) for step in steps.shards] == [
        (shard.name, number, len(shards), shard.bytes) for number, shard in enumerate(shards, start=1)
    ]
    assert steps.commits == 1
    assert (done.uploaded_shards, done.kept_shards, done.deleted) == (len(shards), 0, 0)
    sent = sum(entry.bytes_received for entry in dataset.hub.requests("/lfs/.*/(upload|part)/"))
    assert done.uploaded_bytes == sent


@pytest.mark.parametrize("private", [True, False])
def test_a_repository_is_made_as_private_as_it_is_told(
    published: StoredPile, hub: HubServer, dataset: Dataset, *, private: bool
) -> None:
    pushed(published, HubTarget(REPOSITORY, private=private, endpoint=hub.url))

    assert dataset.repository.facts.private == private


def test_a_repository_that_is_there_stays_as_private_as_it_is(
    published: StoredPile, hub: HubServer, dataset: Dataset
) -> None:
    pushed(published, HubTarget(REPOSITORY, private=True, endpoint=hub.url))
    hub.forget_requests()
    pushed(published, HubTarget(REPOSITORY, private=False, endpoint=hub.url))

    assert dataset.repository.facts.private
    assert not hub.requests("/repos/create")


def test_the_same_push_again_changes_nothing_and_sends_nothing(
    published: StoredPile, target: HubTarget, dataset: Dataset
) -> None:
    first = pushed(published, target)
    dataset.hub.forget_requests()
    steps = Steps()

    again = push(published, target, progress=steps, backoff=HASTY)

    assert {entry.method for entry in dataset.hub.requests()} == {"GET"}
    assert again.commit == first.commit
    assert not again.is_new
    assert (again.uploaded_shards, again.uploaded_bytes) == (0, 0)
    assert again.kept_shards == len(published.provenance.pile.shards)
    assert {step.sent_bytes for step in steps.shards} == {0}
    assert steps.commits == 0
    assert len(dataset.titles()) == 1


def test_a_shard_that_the_dataset_holds_is_not_even_read(
    published: StoredPile, target: HubTarget, pile: Path, dataset: Dataset
) -> None:
    pushed(published, target)
    for name in shard_names(published):
        (pile / name).unlink()

    again = push(pile_in_folder(pile), target, backoff=HASTY)

    assert again.kept_shards == len(published.provenance.pile.shards)
    dataset.require(published)


def test_only_a_missing_tag_is_added(published: StoredPile, target: HubTarget, dataset: Dataset) -> None:
    first = pushed(published, target)
    dataset.repository.name_tag(first.tag, None)

    again = pushed(published, target)

    assert dataset.tags() == {first.tag: first.commit}
    assert len(dataset.titles()) == 1
    assert not again.is_new


def test_a_smaller_release_leaves_no_stale_shard(
    published: StoredPile, target: HubTarget, tmp_path: Path, dataset: Dataset
) -> None:
    first = pushed(published, target)
    smaller = smaller_pile(tmp_path)
    stale = set(shard_names(published)) - set(shard_names(smaller))
    assert stale

    second = pushed(smaller, target)

    dataset.require(smaller)
    assert second.deleted >= len(stale)
    assert len(dataset.titles()) == 2
    assert dataset.tags() == {first.tag: first.commit, second.tag: second.commit}


def test_an_old_release_comes_back_by_a_new_commit_without_any_bytes(
    published: StoredPile, target: HubTarget, tmp_path: Path, dataset: Dataset
) -> None:
    first = pushed(published, target)
    second = pushed(smaller_pile(tmp_path), target)

    third = pushed(published, target)

    dataset.require(published)
    assert third.is_new
    assert (third.uploaded_shards, third.uploaded_bytes) == (0, 0)
    assert len(dataset.titles()) == 3
    assert dataset.tags() == {first.tag: first.commit, second.tag: second.commit}, "a tag never moves"


def test_what_is_not_ours_stays(published: StoredPile, target: HubTarget, dataset: Dataset) -> None:
    pushed(published, target)
    licence = b"Do what you like.\n"
    dataset.change({"LICENSE": licence, "data/leftover.txt": b"old", "pictures/old.png": b"old"})
    held = dataset.sha256s()["LICENSE"]

    again = pushed(published, target)

    dataset.require(published, {"LICENSE": held})
    assert again.deleted == 2
    assert again.uploaded_shards == 0


def test_what_somebody_else_did_to_our_files_is_undone_on_top_of_it(
    published: StoredPile, target: HubTarget, dataset: Dataset
) -> None:
    pushed(published, target)
    lost = shard_names(published)[0]
    dataset.change({"README.md": b"---\nlicense: mit\n---\n# Mine\n"}, deleted=(lost,))
    dataset.hub.forget_requests()

    again = pushed(published, target)

    dataset.require(published)
    assert again.uploaded_shards == 0, "the hub still had the bytes"
    assert dataset.titles()[1] == "Somebody else's"


def test_other_pictures_alone_make_no_commit(
    published: StoredPile, target: HubTarget, dataset: Dataset
) -> None:
    pushed(published, target)
    picture = next(path for path in dataset.sha256s() if path.startswith("pictures/"))
    dataset.change({picture: b"drawn by another program"})

    assert not pushed(published, target).is_new


def test_a_branch_is_made_from_main_and_main_stays(
    published: StoredPile, hub: HubServer, dataset: Dataset, tmp_path: Path
) -> None:
    pushed(published, HubTarget(REPOSITORY, endpoint=hub.url))
    main = dataset.head()

    done = pushed(smaller_pile(tmp_path), HubTarget(REPOSITORY, revision="trial/two", endpoint=hub.url))

    assert dataset.head() == main
    assert dataset.head("trial/two") == done.commit
    assert len(dataset.titles("trial/two")) == 2


def test_a_branch_of_a_new_repository(published: StoredPile, hub: HubServer, dataset: Dataset) -> None:
    done = pushed(published, HubTarget(REPOSITORY, revision="trial", endpoint=hub.url))

    assert dataset.head("trial") == done.commit
    assert dataset.sha256s("main") == {}


def test_a_tag_is_no_branch(published: StoredPile, hub: HubServer, target: HubTarget) -> None:
    done = pushed(published, target)

    with pytest.raises(HubError, match="is a tag of lab/spikes; name a branch"):
        pushed(published, HubTarget(REPOSITORY, revision=done.tag, endpoint=hub.url))


def test_a_preview_says_what_a_push_would_do_and_does_nothing(
    published: StoredPile, target: HubTarget, dataset: Dataset, tmp_path: Path
) -> None:
    names = shard_names(published)

    first = preview(published, target, backoff=HASTY)

    assert {entry.method for entry in dataset.hub.requests()} == {"GET"}
    assert set(first.uploaded) == {*names, "README.md", "provenance.jsonl"}
    assert len(first.drawn) == 2
    assert not first.kept
    assert not first.deleted
    pushed(published, target)
    dataset.hub.forget_requests()
    same, other = (preview(each, target, backoff=HASTY) for each in (published, smaller_pile(tmp_path)))
    assert {entry.method for entry in dataset.hub.requests()} == {"GET"}
    assert same.is_empty
    assert same.bytes_to_upload == 0
    stale = {path for path in other.deleted if path.startswith("data/")}
    assert stale == set(names) - set(other.uploaded) - set(other.kept)
    assert other.bytes_to_upload == sum(other.uploaded.values())


def test_a_pile_of_a_store_is_pushed_as_one_of_a_folder(
    pile: Path, target: HubTarget, dataset: Dataset
) -> None:
    stored = StoredPile(FolderStore(pile.parent), pile.name)

    pushed(stored, target)

    dataset.require(pile_in_folder(pile))


def test_a_damaged_shard_is_refused_before_any_of_it_travels(
    published: StoredPile, target: HubTarget, pile: Path, dataset: Dataset
) -> None:
    name = shard_names(published)[-1]
    content = bytearray((pile / name).read_bytes())
    content[len(content) // 2] ^= 1
    (pile / name).write_bytes(content)

    with pytest.raises(DamagedOutputError, match=f"{name} was changed after it was written"):
        pushed(published, target)

    assert dataset.titles() == []
    assert dataset.stored(published) == shard_names(published)[:-1]


@pytest.mark.parametrize("name", ["README.md", "provenance.jsonl"])
def test_what_is_published_beside_the_shards_is_made_anew(
    published: StoredPile, target: HubTarget, pile: Path, dataset: Dataset, name: str
) -> None:
    assert published.provenance_sha256
    if name == "README.md":
        (pile / name).write_text("# Something else\n")
        pushed(published, target)
        dataset.require(published)
    else:
        (pile / name).write_bytes(b"{}\n")
        with pytest.raises(DamagedOutputError, match=r"provenance.jsonl was changed"):
            pushed(published, target)


def test_a_shard_that_is_gone_is_named(published: StoredPile, target: HubTarget, pile: Path) -> None:
    (pile / shard_names(published)[0]).unlink()

    with pytest.raises(DamagedOutputError, match="is gone, or no file"):
        pushed(published, target)


def test_a_source_that_may_not_be_published_stops_it_before_any_request(
    pile: Path, target: HubTarget, hub: HubServer
) -> None:
    provenance = parse_provenance((pile / "provenance.jsonl").read_bytes())
    entries = [{**entry, "redistributable": entry["name"] != "vcn"} for entry in provenance.pile.sources]
    record = provenance.pile.model_copy(update={"sources": tuple(entries)})
    write_metadata(pile, type(provenance)(record, provenance.sessions, provenance.missing))

    for ask in (push, preview):
        with pytest.raises(CallError, match=r"^vcn: "):
            ask(pile_in_folder(pile), target)

    assert hub.requests() == []


def test_a_folder_without_a_pile_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CallError, match="holds no pile"):
        pile_in_folder(tmp_path)


def test_shards_that_the_hub_would_keep_in_git_are_refused(
    published: StoredPile, target: HubTarget, hub: HubServer, dataset: Dataset
) -> None:
    first = shard_names(published)[0]
    answer = {"files": [{"path": first, "uploadMode": "regular", "shouldIgnore": False}]}
    hub.fail(Kind.PREUPLOAD, status=200, body=json.dumps(answer).encode())

    with pytest.raises(HubError, match=rf"would keep {first} inside of git"):
        pushed(published, target)

    assert dataset.titles() == []


def test_the_libraries_say_nothing_and_are_left_as_they_were(
    published: StoredPile, target: HubTarget, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    before = constants.HF_HUB_DISABLE_TELEMETRY, logging.getLogger("huggingface_hub").level

    pushed(published, target)

    assert capfd.readouterr() == ("", "")
    assert (constants.HF_HUB_DISABLE_TELEMETRY, logging.getLogger("huggingface_hub").level) == before
    assert not (tmp_path / "home").exists(), "nothing is cached, no login is touched"


def test_a_dataset_of_somebody_else_is_not_replaced(
    published: StoredPile, target: HubTarget, dataset: Dataset
) -> None:
    dataset.make()
    dataset.change({"README.md": _CARD, "data/theirs.parquet": b"theirs"})
    before = dataset.sha256s()
    for attempt in (partial(preview, published, target), partial(push, published, target)):
        with pytest.raises(HubError, match="a dataset that spikemill did not push"):
            attempt(backoff=HASTY)
    assert dataset.sha256s() == before


def test_a_repository_with_a_card_alone_becomes_the_pile(
    published: StoredPile, target: HubTarget, dataset: Dataset
) -> None:
    dataset.make()
    dataset.change({"README.md": _CARD, "LICENSE": b"Do what you like."})
    assert preview(published, target, backoff=HASTY).replaced == {"README.md"}
    pushed(published, target)
    dataset.require(published, {"LICENSE": sha256(b"Do what you like.").hexdigest()})


def test_a_branch_may_be_called_as_requests_are(published: StoredPile, hub: HubServer) -> None:
    hub.fail(Kind.PREUPLOAD, status=503)
    done = push(published, HubTarget(REPOSITORY, "next/commit/try", endpoint=hub.url), backoff=HASTY)
    assert done.is_new


def test_the_last_check_comes_when_nothing_but_the_commit_is_left(
    published: StoredPile, target: HubTarget, pile: Path
) -> None:
    class Unwanted(Steps):
        def about_to_commit(self) -> None:
            # What is still read after this is missed.
            for name in shard_names(published):
                (pile / name).unlink()

    assert push(pile_in_folder(pile), target, progress=Unwanted(), backoff=HASTY).is_new


class Rivals(Steps):
    """Push the same pile while the first shard is sent, and another one before it is committed."""

    def __init__(self, pile: StoredPile, other: StoredPile, target: HubTarget) -> None:
        """Have two piles for the same place."""
        super().__init__()
        self.pile, self.other, self.target = pile, other, target

    def shard_done(self, step: ShardStep) -> None:
        """Be done with the same pile sooner."""
        super().shard_done(step)
        if len(self.shards) == 1:
            self._push(self.pile)

    def about_to_commit(self) -> None:
        """Be faster with the other one."""
        super().about_to_commit()
        if self.commits == 1:
            self._push(self.other)

    def _push(self, pile: StoredPile) -> None:
        place = (pile.store.place, self.target.endpoint, self.target.repository, "lfs")
        subprocess.run([sys.executable, "-m", _PROGRAM, *place], check=True, cwd=_CHECKOUT)


def test_a_shard_that_stood_there_for_a_moment_is_in_the_commit_all_the_same(
    published: StoredPile, target: HubTarget, dataset: Dataset, tmp_path: Path
) -> None:
    rivals = Rivals(published, smaller_pile(tmp_path), target)
    push(published, target, progress=rivals, backoff=HASTY)
    dataset.require(published)
    assert len(dataset.titles()) == 3
