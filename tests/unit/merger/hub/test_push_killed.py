"""A publisher that is killed at any step, and the push after it."""

import subprocess
import sys
from pathlib import Path

import pytest

import spikemill
from spikemill.services.common.hub_target import HubTarget, Transfer
from spikemill.services.merger.hub.push import push
from spikemill.services.merger.provenance import StoredPile
from standins.hub.kinds import Kind
from tests.unit.merger.hub.datasets import HASTY, REPOSITORY, Dataset

pytestmark = [pytest.mark.chaos, pytest.mark.slow]

_ROOT = Path(spikemill.__file__).parents[1]
_PROGRAM = "tests.unit.merger.hub.push_program"

BEFORE, AFTER = False, True
"""Whether the hub did what it was asked for when the publisher was killed."""


def kill_push(dataset: Dataset, pile: Path, transfer: Transfer, kind: Kind, *, applied: bool) -> None:
    """Start a push, and kill it while it waits for the answer to a request of this kind."""
    held = dataset.hub.hold(kind, applied=applied)
    arguments = [str(pile), dataset.hub.url, REPOSITORY, transfer]
    with subprocess.Popen([sys.executable, "-m", _PROGRAM, *arguments], cwd=_ROOT) as publisher:
        held.wait_until_reached()
        publisher.kill()


@pytest.mark.parametrize(
    ("kind", "applied"),
    [
        (Kind.CREATE, BEFORE),
        (Kind.CREATE, AFTER),
        (Kind.PREUPLOAD, BEFORE),
        (Kind.BATCH, BEFORE),
        (Kind.UPLOAD, AFTER),
        (Kind.PART, AFTER),
        (Kind.COMPLETE, AFTER),
        (Kind.VERIFY, BEFORE),
        (Kind.VALIDATE, BEFORE),
        (Kind.COMMIT, BEFORE),
        (Kind.COMMIT, AFTER),
        (Kind.TAG, BEFORE),
        (Kind.TAG, AFTER),
    ],
)
def test_after_a_kill_the_dataset_is_the_same_and_no_shard_that_arrived_travels_again(
    published: StoredPile, target: HubTarget, dataset: Dataset, pile: Path, *, kind: Kind, applied: bool
) -> None:
    kill_push(dataset, pile, Transfer.LFS, kind, applied=applied)
    arrived = set() if kind is Kind.CREATE else set(dataset.stored(published))
    is_committed = (kind, applied) == (Kind.COMMIT, AFTER) or kind is Kind.TAG
    if kind is not Kind.CREATE:
        assert len(dataset.titles()) == is_committed
    dataset.hub.forget_requests()

    done = push(published, target, backoff=HASTY)

    dataset.require(published)
    assert len(dataset.titles()) == 1
    assert dataset.tags() == {done.tag: dataset.head()}
    assert done.is_new != is_committed
    sent = {entry.target.split("/")[5] for entry in dataset.hub.requests("/lfs/.*/(upload|part)/")}
    for shard in published.provenance.pile.shards:
        assert (shard.sha256 in sent) != (shard.name in arrived)


@pytest.mark.parametrize(
    ("kind", "applied"), [(Kind.XET_ACCESS, BEFORE), (Kind.COMMIT, BEFORE), (Kind.COMMIT, AFTER)]
)
def test_after_a_kill_by_xet_nothing_is_stored_twice(
    published: StoredPile, target: HubTarget, dataset: Dataset, pile: Path, *, kind: Kind, applied: bool
) -> None:
    """The made-up Xet store is a folder, so between these steps no request is made that could be held."""
    kill_push(dataset, pile, Transfer.XET, kind, applied=applied)
    stored = dataset.hub.xet_bytes

    push(published, target, transfer=Transfer.XET, backoff=HASTY)

    dataset.require(published)
    assert len(dataset.titles()) == 1
    if kind is Kind.COMMIT:
        assert dataset.hub.xet_bytes == stored > 0
