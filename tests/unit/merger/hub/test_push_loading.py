"""What `load_dataset` finds after a push, beside what stands on the disk."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import spikemill
from spikemill.services.common.hub_target import HubTarget, Transfer
from spikemill.services.merger.provenance import StoredPile
from tests.unit.merger.hub.datasets import Dataset, smaller_pile

pytestmark = pytest.mark.slow

_ROOT = Path(spikemill.__file__).parents[1]
_PUSH = "tests.unit.merger.hub.push_program"
_LOAD = "tests.unit.merger.hub.load_program"


def run(module: str, *arguments: str, environment: dict[str, str]) -> str:
    """Run a program of these tests to its end; return what it says."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env=environment,
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def on_disk(pile: StoredPile) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each split, in the order in which they stand in the shards."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for shard in pile.provenance.pile.shards:
        with pile.local(shard.name) as path:
            rows.setdefault(shard.split, []).extend(pq.read_table(path).to_pylist())
    return rows


@pytest.mark.parametrize("transfer", [*Transfer])
def test_what_is_loaded_is_the_pile_on_disk_and_after_a_smaller_release_nothing_else(
    published: StoredPile, target: HubTarget, dataset: Dataset, tmp_path: Path, transfer: Transfer
) -> None:
    # A process each: the address of the hub is fixed at import, and so is the one who holds a Xet store.
    environment = {
        **os.environ,
        "HF_ENDPOINT": target.endpoint,
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_XET": "0" if transfer is Transfer.XET else "1",
        "HF_UPDATE_DOWNLOAD_COUNTS": "0",
    }
    smaller = smaller_pile(tmp_path)
    assert len(smaller.provenance.pile.shards) < len(published.provenance.pile.shards)
    for pile, folder in (published, tmp_path / "pile"), (smaller, tmp_path / "smaller"):
        run(_PUSH, str(folder), target.endpoint, target.repository, transfer, environment=environment)

        loaded = json.loads(run(_LOAD, target.repository, environment=environment))

        dataset.require(pile)
        rows = on_disk(pile)
        assert {split for split in rows if rows[split]} == {"train", "test"}
        assert loaded["map-style"] == rows
        assert loaded["streaming"] == rows
        split = pile.provenance.pile.split
        assert loaded["num_examples"] == {"train": split.train_rows, "test": split.test_rows}
    assert (dataset.stored(published) == []) == (transfer is Transfer.XET)
