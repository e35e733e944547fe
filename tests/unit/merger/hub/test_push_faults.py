"""Everything that can go wrong between a publisher and its hub, at every kind of request."""

from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from spikemill.services.common.errors import HubError, NetworkError, SupersededError
from spikemill.services.common.hub_target import HubTarget
from spikemill.services.merger.hub.client import RequestLimits
from spikemill.services.merger.hub.push import Pushed, push
from spikemill.services.merger.provenance import StoredPile, pile_in_folder
from standins.hub.kinds import Kind
from standins.hub.server import HubServer
from standins.wire.messages import RefusalError
from tests.unit.merger.generated_piles import make_sessions, write_pile
from tests.unit.merger.hub.datasets import CURT, HASTY, REPOSITORY, Dataset, Steps

pytestmark = [pytest.mark.chaos, pytest.mark.slow]

EVERY_KIND = [
    Kind.REFS,
    Kind.CREATE,
    Kind.BRANCH,
    Kind.TREE,
    Kind.PREUPLOAD,
    Kind.BATCH,
    Kind.UPLOAD,
    Kind.PART,
    Kind.COMPLETE,
    Kind.VERIFY,
    Kind.VALIDATE,
    Kind.COMMIT,
    Kind.TAG,
]
OF_STORAGE = [Kind.UPLOAD, Kind.PART, Kind.COMPLETE, Kind.VERIFY]
OF_HUB = [kind for kind in EVERY_KIND if kind not in OF_STORAGE]
BRANCH = "trial"

Fault = Callable[[HubServer, str, int | None], object]


def unavailable(hub: HubServer, pattern: str, times: int | None) -> None:
    hub.fail(pattern, status=503, body=b"<html>", times=times)


def busy(hub: HubServer, pattern: str, times: int | None) -> None:
    hub.fail(pattern, status=429, retry_after=0, times=times)


def reset(hub: HubServer, pattern: str, times: int | None) -> None:
    hub.lose_answer(pattern, applied=False, times=times)


def lost_answer(hub: HubServer, pattern: str, times: int | None) -> None:
    hub.lose_answer(pattern, applied=True, times=times)


def silent(hub: HubServer, pattern: str, times: int | None) -> None:
    hub.hold(pattern, times=times)


def silent_afterwards(hub: HubServer, pattern: str, times: int | None) -> None:
    hub.hold(pattern, applied=True, times=times)


PASSING: list[Fault] = [unavailable, busy, reset, lost_answer, silent, silent_afterwards]


@pytest.fixture(scope="session")
def two_shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a pile of a shard that is uploaded whole, and larger ones that are uploaded in parts."""
    folder = tmp_path_factory.mktemp("faults")
    write_pile(folder / "pile", make_sessions(folder / "store")[:5])
    return folder / "pile"


@pytest.fixture
def published(two_shards: Path) -> StoredPile:
    """The pile to push."""
    return pile_in_folder(two_shards)


@pytest.fixture
def target(hub: HubServer) -> HubTarget:
    """A branch, so that one is made."""
    return HubTarget(REPOSITORY, revision=BRANCH, endpoint=hub.url)


def pushed(pile: StoredPile, target: HubTarget, backoff: RequestLimits = HASTY) -> Pushed:
    return push(pile, target, backoff=backoff)


def require_one_release(pile: StoredPile, dataset: Dataset) -> None:
    dataset.require(pile, branch=BRANCH)
    assert len(dataset.titles(BRANCH)) == 1
    assert list(dataset.tags().values()) == [dataset.head(BRANCH)]


def held_in(dataset: Dataset) -> dict[str, str]:
    """Return what the branch shows, if it is there yet."""
    try:
        return dataset.sha256s(BRANCH)
    except RefusalError:
        return {}


def require_sent_once(pile: StoredPile, dataset: Dataset) -> None:
    """See that no shard came whole twice; those that come in parts may bring one of them again."""
    times = Counter(dataset.arrivals())
    shards = [shard.sha256 for shard in pile.provenance.pile.shards if times[shard.sha256]]
    assert shards
    assert {times[sha256] for sha256 in shards} == {1}


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_of_every_kind_of_request_is_survived(
    published: StoredPile, target: HubTarget, dataset: Dataset, fault: Fault
) -> None:
    for kind in EVERY_KIND:
        fault(dataset.hub, kind, 1)

    done = pushed(published, target, CURT if fault in (silent, silent_afterwards) else HASTY)

    require_one_release(published, dataset)
    assert (done.commit, done.is_new) == (dataset.head(BRANCH), True)
    for kind in EVERY_KIND:
        assert dataset.hub.requests(kind), "the fault came"
    if fault in (lost_answer, silent_afterwards):
        require_sent_once(published, dataset)
        assert len(dataset.hub.requests(Kind.COMMIT)) == 1


@pytest.mark.parametrize("after", [0, 1_000])
def test_an_upload_that_breaks_off_is_survived(
    published: StoredPile, target: HubTarget, dataset: Dataset, after: int
) -> None:
    for kind in (Kind.UPLOAD, Kind.PART):
        dataset.hub.cut_upload(kind, after=after)

    pushed(published, target)

    require_one_release(published, dataset)


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_link_that_the_storage_does_not_take_is_made_anew(
    published: StoredPile, target: HubTarget, dataset: Dataset, status: int
) -> None:
    for kind in OF_STORAGE:
        dataset.hub.fail(kind, status=status)

    pushed(published, target)

    require_one_release(published, dataset)


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        *((kind, unavailable) for kind in EVERY_KIND),
        *((kind, reset) for kind in (Kind.REFS, Kind.UPLOAD, Kind.COMMIT)),
        *((kind, silent) for kind in (Kind.PREUPLOAD, Kind.UPLOAD, Kind.PART, Kind.COMMIT)),
    ],
)
def test_a_fault_that_lasts_is_the_ledgers_affair_and_the_dataset_stays_as_it_was(
    published: StoredPile, target: HubTarget, dataset: Dataset, kind: Kind, fault: Fault
) -> None:
    fault(dataset.hub, kind, None)

    with pytest.raises(NetworkError) as told:
        pushed(published, target, CURT)

    assert target.endpoint in str(told.value)
    dataset.hub.heal()
    if kind is Kind.TAG:
        assert len(dataset.titles(BRANCH)) == 1, "only the tag is missing"
    else:
        assert held_in(dataset) == {}
    pushed(published, target)
    require_one_release(published, dataset)
    if fault is unavailable:
        require_sent_once(published, dataset)


@pytest.mark.parametrize("status", [403, 404])
def test_a_storage_that_takes_nothing_is_the_ledgers_affair(
    published: StoredPile, target: HubTarget, dataset: Dataset, status: int
) -> None:
    dataset.hub.fail(Kind.VERIFY, status=status, times=None)

    with pytest.raises(NetworkError, match=f"did not take the file .{status}"):
        pushed(published, target, CURT)


@pytest.mark.parametrize("kind", OF_HUB)
def test_a_refusal_is_told_at_once(
    published: StoredPile, target: HubTarget, dataset: Dataset, kind: Kind
) -> None:
    for status, remedy in {401: "hf auth login", 403: "write access to lab", 404: "correct the name"}.items():
        dataset.hub.forget_requests()
        dataset.hub.fail(kind, status=status, body=b'{"error": "no"}', times=None)

        with pytest.raises(HubError, match=remedy):
            pushed(published, target)

        assert len(dataset.hub.requests(kind)) == 1
        dataset.hub.heal()
    pushed(published, target)
    require_one_release(published, dataset)


@pytest.mark.parametrize("status", [409, 412])
def test_a_commit_that_was_overtaken_is_made_again(
    published: StoredPile, target: HubTarget, dataset: Dataset, status: int
) -> None:
    dataset.hub.fail(Kind.COMMIT, status=status)

    pushed(published, target)

    require_one_release(published, dataset)


@pytest.mark.parametrize("status", [409, 412])
def test_a_commit_that_is_always_overtaken_is_the_ledgers_affair(
    published: StoredPile, target: HubTarget, dataset: Dataset, status: int
) -> None:
    dataset.hub.fail(Kind.COMMIT, status=status, times=None)

    with pytest.raises(NetworkError, match="was changed by somebody else"):
        pushed(published, target)

    assert len(dataset.hub.requests(Kind.COMMIT)) == HASTY.tries


def test_a_full_quota_is_told_at_once(published: StoredPile, target: HubTarget, hub: HubServer) -> None:
    hub.fail(Kind.PREUPLOAD, status=403, headers={"X-Error-Message": "Private storage limit reached"})

    with pytest.raises(HubError, match=r"no room left .*Private storage limit reached.*buy storage"):
        pushed(published, target)


def test_a_long_pause_that_the_hub_asks_for_is_left_to_the_ledger(
    published: StoredPile, target: HubTarget, hub: HubServer
) -> None:
    hub.fail(Kind.PREUPLOAD, status=429, retry_after=3600)

    with pytest.raises(NetworkError, match="429") as told:
        pushed(published, target)

    assert told.value.retry_after == 3600
    assert len(hub.requests(Kind.PREUPLOAD)) == 1


class Meddler(Steps):
    """Commits something each time that the push is about to."""

    def __init__(self, dataset: Dataset, added: dict[str, bytes]) -> None:
        """Have files to add."""
        super().__init__()
        self.dataset = dataset
        self.added = added

    def about_to_commit(self) -> None:
        """Be faster."""
        super().about_to_commit()
        if self.commits == 1:
            self.dataset.change(self.added)


def test_a_commit_by_somebody_else_is_kept_below_ours(
    published: StoredPile, hub: HubServer, dataset: Dataset
) -> None:
    meddler = Meddler(dataset, {"LICENSE": b"Do what you like.", "data/theirs.parquet": b"theirs"})

    done = push(published, HubTarget(REPOSITORY, endpoint=hub.url), progress=meddler, backoff=HASTY)

    dataset.require(published, {"LICENSE": sha256(b"Do what you like.").hexdigest()})
    assert dataset.titles()[1:] == ["Somebody else's"]
    assert len(dataset.titles()) == 2
    assert done.deleted == 1
    assert meddler.commits == 2
    assert len(meddler.shards) == len(published.provenance.pile.shards), "each is told of once"
    require_sent_once(published, dataset)


def test_a_watcher_can_stop_a_push_before_the_commit(
    published: StoredPile, target: HubTarget, dataset: Dataset
) -> None:
    class Withdrawn(Steps):
        def about_to_commit(self) -> None:
            raise SupersededError("Job 1 was withdrawn.")

    with pytest.raises(SupersededError):
        push(published, target, progress=Withdrawn(), backoff=HASTY)

    assert held_in(dataset) == {}
