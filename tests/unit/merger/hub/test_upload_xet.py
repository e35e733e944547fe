"""Shards by Xet: what travels, what does not, and what goes wrong."""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from spikemill.services.common.errors import HubError, NetworkError
from spikemill.services.common.hub_target import HubTarget, Transfer
from spikemill.services.merger.hub.client import RequestLimits, connected
from spikemill.services.merger.hub.push import Pushed, push
from spikemill.services.merger.hub.upload import send_by_xet
from spikemill.services.merger.provenance import StoredPile
from standins.hub.access import Role
from standins.hub.kinds import Kind
from standins.hub.server import serve_hub
from standins.wire.messages import Answer, Request, json_answer
from standins.wire.server import LOOPBACK, ScriptedServer
from tests.unit.merger.hub.datasets import CURT, HASTY, REPOSITORY, Dataset, Steps

pytestmark = pytest.mark.slow


def pushed(pile: StoredPile, target: HubTarget, backoff: RequestLimits = HASTY) -> Pushed:
    return push(pile, target, transfer=Transfer.XET, backoff=backoff)


def test_a_push_by_xet_is_the_same_dataset(
    published: StoredPile, target: HubTarget, dataset: Dataset
) -> None:
    steps = Steps()

    done = push(published, target, transfer=Transfer.XET, progress=steps, backoff=HASTY)

    dataset.require(published)
    assert len(dataset.titles()) == 1
    assert dataset.stored(published) == [], "no shard came by LFS"
    for shard in published.provenance.pile.shards:
        answer = httpx2.get(f"{target.endpoint}/datasets/{REPOSITORY}/resolve/main/{shard.name}")
        assert hashlib.sha256(answer.content).hexdigest() == shard.sha256
    assert done.uploaded_shards == len(published.provenance.pile.shards)
    assert sum(step.sent_bytes for step in steps.shards) >= dataset.hub.xet_bytes > 0


def test_the_same_push_again_sends_nothing(
    published: StoredPile, target: HubTarget, dataset: Dataset
) -> None:
    pushed(published, target)
    dataset.hub.forget_requests()

    again = pushed(published, target)

    assert {entry.method for entry in dataset.hub.requests()} == {"GET"}
    assert not dataset.hub.requests(Kind.XET_ACCESS)
    assert (again.is_new, again.uploaded_bytes) == (False, 0)


def test_what_the_hub_has_is_not_stored_twice(
    published: StoredPile, target: HubTarget, dataset: Dataset
) -> None:
    pushed(published, target)
    stored = dataset.hub.xet_bytes
    dataset.change(deleted=tuple(shard.name for shard in published.provenance.pile.shards))

    pushed(published, target)

    dataset.require(published)
    assert dataset.hub.xet_bytes == stored


def test_after_a_push_by_lfs_nothing_is_left_for_xet(
    published: StoredPile, target: HubTarget, dataset: Dataset
) -> None:
    push(published, target, backoff=HASTY)

    assert pushed(published, target).uploaded_bytes == 0
    assert len(dataset.titles()) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_access_that_is_refused_for_a_moment_is_survived(
    published: StoredPile, target: HubTarget, dataset: Dataset, status: int
) -> None:
    dataset.hub.fail(Kind.XET_ACCESS, status=status)

    pushed(published, target)

    dataset.require(published)


def test_an_access_that_is_silent_for_a_moment_is_survived(
    published: StoredPile, target: HubTarget, dataset: Dataset
) -> None:
    dataset.hub.hold(Kind.XET_ACCESS)

    pushed(published, target, CURT)

    dataset.require(published)


def test_an_access_that_is_away_is_the_ledgers_affair(
    published: StoredPile, target: HubTarget, dataset: Dataset
) -> None:
    dataset.hub.fail(Kind.XET_ACCESS, status=503, times=None)

    with pytest.raises(NetworkError, match="Xet storage of http"):
        pushed(published, target, CURT)

    assert dataset.titles() == []


@pytest.mark.parametrize(
    ("status", "remedy"), [(401, "hf auth login"), (403, "write access to lab"), (404, "correct the name")]
)
def test_a_refusal_that_xet_hides_is_told_at_once(
    published: StoredPile, target: HubTarget, dataset: Dataset, status: int, remedy: str
) -> None:
    dataset.hub.fail(Kind.XET_ACCESS, status=status, times=None)

    with pytest.raises(HubError, match=remedy):
        pushed(published, target)

    assert len(dataset.hub.requests(Kind.XET_ACCESS)) == 1
    assert dataset.titles() == []


def test_the_token_is_shown_to_the_hub(
    published: StoredPile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_madeupwriter1")
    with serve_hub(tmp_path / "closed", token={"hf_madeupwriter1": Role.WRITE}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        pushed(published, HubTarget(REPOSITORY, endpoint=hub.url))

        Dataset(hub, tmp_path / "closed").require(published)


@pytest.fixture
def storage() -> Iterator[ScriptedServer]:
    """A storage of the older kind that takes blocks, and everything but their list."""

    def find_answer(request: Request) -> Answer:
        if "xet-write-token" in request.path:
            return json_answer({"casUrl": server.url, "accessToken": "x", "exp": int(time.time()) + 3600})
        if request.path.startswith("/v1/xorbs/"):
            return json_answer({"was_inserted": True})
        return json_answer({}, 404)

    server = ScriptedServer(find_answer, LOOPBACK, 0)
    with server.running():
        yield server


def test_a_storage_that_is_silent_at_the_end_is_not_waited_for_for_ever(
    published: StoredPile, pile: Path, storage: ScriptedServer
) -> None:
    shard = published.provenance.pile.shards[0]
    storage.hold("^/v1/shards", times=None)

    with (
        connected(HubTarget(REPOSITORY, endpoint=storage.url), CURT) as hub,
        pytest.raises(NetworkError, match="Xet storage was silent"),
    ):
        send_by_xet(hub, shard, pile / shard.name)

    assert storage.requests("^/v1/shards")
