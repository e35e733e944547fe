"""A real published recording, served with its real id and digest, gives the reference matrix in the pile."""

import hashlib
import json
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from standins.archive.content import ArchiveFile, MadeUpArchive
from tests.acceptance.builds import NewPlace, Place
from tests.acceptance.running_builds import RunningBuild
from tests.acceptance.small_archives import dandi_source, dandiset

REAL_NWB = Path(os.environ.get("SPIKEMILL_REAL_NWB", Path(__file__).parents[3] / "shared" / "nwb"))
NAME = "dandi000140_sub-Jenkins_ses-small_desc-test_ecephys.nwb"
# DANDI's record of this asset in dandiset 000140.
VERSION = "0.220113.0408"
PATH = "sub-Jenkins/sub-Jenkins_ses-small_desc-test_ecephys.nwb"
ASSET_ID = "544a660e-a173-46f3-985a-60fd67e6ae1f"
DIGESTS = {
    "dandi:sha2-256": "ca8a0bef5f189eafb9db1961d617e065cb461360718fde1c16a538922a6fa5fe",
    "dandi:dandi-etag": "5a38a16b91d0fd1e71fd41dc03fbe372-1",
}

pytestmark = pytest.mark.skipif(
    not (REAL_NWB / "reference_counts.json").is_file(),
    reason=f"no real NWB files at {REAL_NWB} (SPIKEMILL_REAL_NWB)",
)


def place_of_asset(new_place: NewPlace, digests: dict[str, str]) -> Place:
    """Make a place whose archive announces the asset with these digests."""
    asset = ArchiveFile(PATH, REAL_NWB / NAME, announced=digests, asset_id=ASSET_ID)
    archive = MadeUpArchive([dandiset("000140", [asset], version=VERSION)])
    return new_place(archive, dandi_source("jenkins", "000140", version=VERSION))


def test_the_published_asset_gives_the_reference_matrix(new_place: NewPlace) -> None:
    place = place_of_asset(new_place, DIGESTS)
    place.must_build()
    reference: dict[str, Any] = json.loads((REAL_NWB / "reference_counts.json").read_text())[NAME]
    counts = _matrix(sorted((place.home.pile / "data").iterdir()))
    assert counts.shape == (reference["units"], reference["bins"])
    assert hashlib.sha256(counts.tobytes()).hexdigest() == reference["sha256_uint8_c_order"]
    records = [json.loads(line) for line in (place.home.pile / "provenance.jsonl").read_text().splitlines()]
    [assets] = [record["assets"] for record in records if record["kind"] == "session"]
    assert assets[0]["asset_id"] == ASSET_ID
    assert assets[0]["digests"]["sha256"] == DIGESTS["dandi:sha2-256"]


def _matrix(shards: Sequence[Path]) -> "np.ndarray[Any, np.dtype[np.uint8]]":
    """Return units x bins of the only row of a pile."""
    [row] = pq.read_table(shards)["spike_counts"].to_pylist()
    return np.array(row, dtype=np.uint8)


def test_an_asset_that_is_not_what_was_announced_is_refused(new_place: NewPlace) -> None:
    place = place_of_asset(new_place, DIGESTS | {"dandi:sha2-256": "0" * 64})
    with place.building() as build:
        for failures in (1, 2):
            build.until(partial(_has_failed, build, failures))
            build.ledger.change("UPDATE jobs SET not_before = clock_timestamp() WHERE kind = 'fetch'")
        assert build.end() == 1
        said = build.output.read_text()
    # Tries that failed on the way may be told as well; the line that ends the build says what to do.
    [line] = [line for line in said.splitlines() if "its sha256 is" in line and "spikemill skip" in line]
    assert PATH in line
    assert "Traceback" not in said
    assert not place.home.pile.exists()


def _has_failed(build: RunningBuild, times: int) -> bool:
    return [job["failures"] for job in build.ledger.jobs("fetch", "ready")] == [times]
