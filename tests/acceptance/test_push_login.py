"""A pile that is pushed with a token: what the token is used for, and that it stands nowhere."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi, RepoFile

from spikemill.services.common.hub_target import Transfer
from standins.archive.content import MadeUpArchive
from standins.hub.kinds import Kind
from standins.hub.server import HubServer, serve_hub
from tests.acceptance.builds import NewPlace, Place, pile_of
from tests.acceptance.small_archives import asset, dandi_source, dandiset, short
from tests.harness.forked_programs import Finished

REPOSITORY = "lab/small"
TOKEN = "not-of-the-usual-form-0123456789"  # noqa: S105 - what no pattern of secrets finds


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubServer]:
    """Give an empty hub that knows one token."""
    with serve_hub(tmp_path / "hub", token=TOKEN) as server:
        yield server


@pytest.fixture(params=[*Transfer])
def transfer(request: pytest.FixtureRequest) -> Transfer:
    """Name each way in which shards travel."""
    chosen: Transfer = request.param
    return chosen


@pytest.fixture
def place(new_place: NewPlace, recordings: Path, hub: HubServer, tmp_path: Path, transfer: Transfer) -> Place:
    """Give a home, and an archive of two sessions, for a person whose token stands in a file."""
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    environment = {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "login"),
        "HF_TOKEN": "",
        "HF_TOKEN_PATH": str(tmp_path / "token"),
        "SPIKEMILL_PUSH_WITH": transfer.value,
    }
    files = [asset(short(f"m{number}", "a"), recordings) for number in range(2)]
    archive = MadeUpArchive([dandiset("990102", files)], [])
    return new_place(archive, dandi_source("maze", "990102"), environment=environment)


def told(place: Place, finished: Finished) -> str:
    """Return what a build said, and what is said of it afterwards."""
    return finished.stdout + finished.stderr + place.ask("status").stdout + place.status_text()


def holding(folder: Path, text: str) -> list[Path]:
    """Return the files that hold a text; the ledger's own files and all logs lie in a home too."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if text.encode() in path.read_bytes()]


def test_a_token_lets_a_pile_be_pushed_and_stands_nowhere(
    place: Place, hub: HubServer, tmp_path: Path, transfer: Transfer
) -> None:
    # The worst that a server may do is to say it back.
    hub.fail(Kind.PREUPLOAD, status=400, body=f'{{"error": "what is {TOKEN}?"}}'.encode())
    refused = place.build("--push", REPOSITORY)
    assert refused.returncode == 1, refused
    assert "what is ***?" in refused.stderr
    assert TOKEN not in told(place, refused)
    assert place.ask("retry").returncode == 0

    pushed = place.build("--push", REPOSITORY)
    assert pushed.returncode == 0, pushed
    assert TOKEN not in told(place, pushed)
    tree = HfApi(hub.url, token=TOKEN).list_repo_tree(REPOSITORY, "data", repo_type="dataset")
    dataset = {file.path: file.lfs.sha256 for file in tree if isinstance(file, RepoFile) and file.lfs}
    assert dataset == {
        name: sha256 for name, sha256 in pile_of(place.home).items() if name.startswith("data/")
    }
    assert (hub.xet_bytes > 0) == (transfer is Transfer.XET)

    assert holding(place.folder, "what is ***?"), "there it would stand"
    for folder in (place.folder, tmp_path / "login"):
        assert holding(folder, TOKEN) == []
