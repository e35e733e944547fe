"""The push of a release as its job does it: a store, a hub, and a ledger that may be away."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from huggingface_hub import HfApi
from sqlalchemy import update

from spikemill.services.common.database import transaction
from spikemill.services.common.errors import DamagedOutputError, SupersededError
from spikemill.services.common.hub_target import HubTarget
from spikemill.services.common.ledger.jobs import Claim
from spikemill.services.common.models import JobKind, Release
from spikemill.services.common.settings import settings
from spikemill.services.common.store import FolderStore
from spikemill.services.common.worker.runner import Heartbeat
from spikemill.services.merger.hub.push import Pushed
from spikemill.services.merger.provenance import DamagedFileError, pile_in_folder
from spikemill.services.merger.pushing import push_release
from standins.hub.kinds import Kind
from standins.hub.server import HubServer, serve_hub
from tests.integration import ledgers
from tests.unit.merger.generated_piles import make_sessions, write_pile

REPOSITORY = "lab/pile"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubServer]:
    """Give an empty hub."""
    with serve_hub(tmp_path / "hub") as server:
        yield server


@pytest.fixture
def target(hub: HubServer) -> HubTarget:
    """Give the dataset that is pushed to."""
    return HubTarget(REPOSITORY, endpoint=hub.url)


@pytest.fixture
def claimed(target: HubTarget) -> Claim:
    """Give the claim of a push whose release the ledger calls published."""
    ledgers.done_build(push=target)
    ledgers.publish()
    return ledgers.claim(ledgers.one_ready(JobKind.PUBLISH).id)


@pytest.fixture
def pile(claimed: Claim, tmp_path: Path) -> Path:
    """Let a pile of several shards stand where the release is, and the ledger know its provenance."""
    folder = tmp_path / "store" / "piles" / (ledgers.release(claimed.subject).digest or "")
    write_pile(folder, make_sessions(tmp_path / "chunks"))
    sha256 = pile_in_folder(folder).provenance_sha256
    with transaction() as ledger:
        known = update(Release).where(Release.id == claimed.subject)
        ledger.execute(known.values(provenance_sha256=sha256))
    return folder


def push(pile: Path, claimed: Claim, target: HubTarget) -> Pushed:
    """Push as the job does, with a lease that nobody takes away."""
    release = ledgers.release(claimed.subject)
    return push_release(FolderStore(pile.parents[1]), release, target, Heartbeat(claimed))


def commits(hub: HubServer) -> list[str]:
    """Return the commits of the dataset, but for the one that made it."""
    found = HfApi(hub.url, token=False).list_repo_commits(REPOSITORY, repo_type="dataset")
    return [commit.commit_id for commit in found][:-1]


def test_a_ledger_that_is_away_while_progress_is_noted_stops_nothing(
    pile: Path, claimed: Claim, target: HubTarget, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards = len(list((pile / "data").iterdir()))
    first, second = hub.hold(Kind.UPLOAD), hub.hold(Kind.UPLOAD)
    with ThreadPoolExecutor(1) as pool, monkeypatch.context() as away:
        done = pool.submit(push, pile, claimed, target)
        first.wait_until_reached()
        away.setenv("SPIKEMILL_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
        settings.cache_clear()
        first.release()
        second.wait_until_reached()
        away.undo()
        settings.cache_clear()
        assert ledgers.release(claimed.subject).hub_shards is None
        second.release()
    assert commits(hub) == [done.result().commit]
    assert ledgers.release(claimed.subject).hub_shards == shards > 2


def test_a_push_that_nobody_waits_for_any_more_commits_nothing(
    pile: Path, claimed: Claim, target: HubTarget, hub: HubServer
) -> None:
    with ThreadPoolExecutor(1) as pool, hub.hold(Kind.UPLOAD) as held:
        done = pool.submit(push, pile, claimed, target)
        held.wait_until_reached()
        ledgers.ask("a", push=ledgers.target("lab/other"))
        held.release()
        with pytest.raises(SupersededError, match="was cancelled"):
            done.result()
    assert commits(hub) == []


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_a_push_names_the_file_that_is_damaged(
    pile: Path, claimed: Claim, target: HubTarget, hub: HubServer, damage: str
) -> None:
    damaged = sorted((pile / "data").iterdir())[1]
    if damage == "gone":
        damaged.unlink()
    else:
        content = bytearray(damaged.read_bytes())
        content[100] ^= 0xFF
        damaged.write_bytes(content)
    with pytest.raises(DamagedFileError) as told:
        push(pile, claimed, target)
    assert told.value.name == f"data/{damaged.name}"
    assert commits(hub) == []


def test_a_provenance_that_is_not_the_ledgers_is_not_pushed(
    pile: Path, claimed: Claim, target: HubTarget, hub: HubServer
) -> None:
    papers = pile / "provenance.jsonl"
    papers.write_bytes(papers.read_bytes() + b"\n")
    with pytest.raises(DamagedOutputError, match=r"provenance\.jsonl of release .* was changed"):
        push(pile, claimed, target)
    assert hub.requests() == []
