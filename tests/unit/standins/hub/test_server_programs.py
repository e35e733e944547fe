"""Programs that use the made-up hub: what they read from their environment is fixed before they import."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import HfApi

from standins.hub.kinds import Kind
from standins.hub.server import HubServer, serve_hub
from tests.unit.standins.hub.calls import REPOSITORY, commit, sent

pytestmark = pytest.mark.slow

CARD = """---
configs:
- config_name: default
  data_files:
  - {split: train, path: data/train-*}
  - {split: test, path: data/test-*}
---
"""
LOAD = """
import json, os, sys
import datasets
datasets.config.USE_PARQUET_EXPORT = False
def columns(**how):
    splits = datasets.load_dataset(sys.argv[1], **how)
    return {name: [row["x"] for row in rows] for name, rows in splits.items()}
print(json.dumps([columns(), columns(streaming=True)]), flush=True)
# A thread of Arrow's that still lets a file go would abort a usual end (apache/arrow#34314).
os._exit(0)
"""
PUBLISH = """
import sys
from huggingface_hub import HfApi
api = HfApi(token=False)
api.create_repo(sys.argv[1], repo_type="dataset", exist_ok=True)
api.upload_folder(repo_id=sys.argv[1], folder_path=sys.argv[2], repo_type="dataset")
"""
FETCH = """
import sys
from huggingface_hub import snapshot_download
snapshot_download(sys.argv[1], repo_type="dataset", local_dir=sys.argv[2], token=False)
"""


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Lay down a small dataset."""
    data = tmp_path / "pile" / "data"
    data.mkdir(parents=True)
    for number, name in enumerate(["train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001"]):
        pq.write_table(pa.table({"x": np.arange(5) + 5 * number}), data / f"{name}.parquet")
    (data.parent / "README.md").write_text(CARD)
    return data.parent


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """Give an environment without a login."""
    settings = {"HF_HOME": str(tmp_path / "home"), "HF_UPDATE_DOWNLOAD_COUNTS": "0"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    return kept | settings | {"HF_HUB_DISABLE_PROGRESS_BARS": "1"}


def _run(program: str, *arguments: object, hub: HubServer, home: dict[str, str], xet: bool) -> str:
    environment = home | {"HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "0" if xet else "1"}
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_dataset_is_loaded(api: HfApi, hub: HubServer, shards: Path, home: dict[str, str]) -> None:
    api.upload_folder(repo_id=REPOSITORY, folder_path=shards, repo_type="dataset")
    loaded = json.loads(_run(LOAD, REPOSITORY, hub=hub, home=home, xet=False))
    assert loaded == [{"train": [*range(10)], "test": [*range(10, 15)]}] * 2


def test_a_dataset_travels_through_the_xet_store(
    hub: HubServer, shards: Path, tmp_path: Path, home: dict[str, str]
) -> None:
    _run(PUBLISH, REPOSITORY, shards, hub=hub, home=home, xet=True)
    assert sent(hub, f"{Kind.BATCH}|{Kind.UPLOAD}") == 0
    stored = hub.xet_bytes
    assert stored > 0
    _run(FETCH, REPOSITORY, tmp_path / "fetched", hub=hub, home=home, xet=True)
    for shard in (shards / "data").iterdir():
        assert (tmp_path / "fetched" / "data" / shard.name).read_bytes() == shard.read_bytes()
    assert not [entry for entry in hub.requests(Kind.RESOLVE, "GET") if ".parquet" in entry.target]
    again = home | {"HF_HOME": str(tmp_path / "other home")}
    _run(PUBLISH, REPOSITORY, shards, hub=hub, home=again, xet=True)
    assert hub.xet_bytes == stored
    loaded = json.loads(_run(LOAD, REPOSITORY, hub=hub, home=home, xet=False))
    assert loaded == [{"train": [*range(10)], "test": [*range(10, 15)]}] * 2


def test_what_the_xet_store_has_is_not_sent_by_lfs(
    api: HfApi, hub: HubServer, shards: Path, home: dict[str, str]
) -> None:
    _run(PUBLISH, REPOSITORY, shards, hub=hub, home=home, xet=True)
    shard = next((shards / "data").iterdir()).read_bytes()
    commit(api, {"data/other.parquet": shard})
    assert sent(hub, Kind.UPLOAD) == 0


def test_the_hub_outlasts_its_end(folder: Path, shards: Path, tmp_path: Path, home: dict[str, str]) -> None:
    with serve_hub(folder) as hub:
        _run(PUBLISH, REPOSITORY, shards, hub=hub, home=home, xet=True)
    with serve_hub(folder) as hub:
        _run(FETCH, REPOSITORY, tmp_path / "fetched", hub=hub, home=home, xet=False)
    for shard in (shards / "data").iterdir():
        assert (tmp_path / "fetched" / "data" / shard.name).read_bytes() == shard.read_bytes()
