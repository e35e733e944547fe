"""A small pile, a made-up hub to push it to, and no login but that of the test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from spikemill.services.common.hub_target import HubTarget
from spikemill.services.merger.provenance import StoredPile, pile_in_folder
from standins.hub.server import HubServer, serve_hub
from tests.unit.merger.hub.datasets import REPOSITORY, Dataset


@pytest.fixture(autouse=True)
def _no_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the hub's libraries find nothing of the person who runs the tests."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "home" / "token"))
    monkeypatch.setattr(constants, "HF_STORED_TOKENS_PATH", str(tmp_path / "home" / "stored_tokens"))


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubServer]:
    """A hub where everybody may write, and where most shards are uploaded in parts."""
    with serve_hub(tmp_path / "hub", multipart_above=5_000, part_size=2_000, page_size=3) as server:
        yield server


@pytest.fixture
def target(hub: HubServer) -> HubTarget:
    """The dataset that is pushed to."""
    return HubTarget(REPOSITORY, endpoint=hub.url)


@pytest.fixture
def dataset(hub: HubServer, tmp_path: Path) -> Dataset:
    """That dataset as the hub has it."""
    return Dataset(hub, tmp_path / "hub")


@pytest.fixture
def published(pile: Path) -> StoredPile:
    """The pile to push."""
    return pile_in_folder(pile)
