"""A made-up hub served over loopback, the hub's own client, and a plain one."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from huggingface_hub import HfApi, close_session, constants
from huggingface_hub.utils.tqdm import disable_progress_bars, enable_progress_bars

from standins.hub.server import HubServer, serve_hub
from tests.unit.standins.hub.calls import REPOSITORY


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the hub keeps its repositories."""
    return tmp_path / "hub"


@pytest.fixture
def hub(folder: Path) -> Iterator[HubServer]:
    """A hub with small parts and pages."""
    with serve_hub(folder, multipart_above=100_000, part_size=40_000, page_size=3) as server:
        yield server


@pytest.fixture
def lfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the hub's client use LFS, and a cache of its own."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    disable_progress_bars()
    yield
    enable_progress_bars()
    close_session()


@pytest.fixture
def api(hub: HubServer, request: pytest.FixtureRequest) -> HfApi:
    """The hub's client, without a login, and a repository to work in."""
    request.getfixturevalue("lfs")
    api = HfApi(endpoint=hub.url, token=False)
    api.create_repo(REPOSITORY, repo_type="dataset")
    return api


@pytest.fixture
def plain(hub: HubServer) -> Iterator[httpx.Client]:
    """A client that knows nothing of hubs."""
    with httpx.Client(base_url=hub.url, trust_env=False) as plain:
        yield plain
