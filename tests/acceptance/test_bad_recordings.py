"""Recordings that cannot be built: named, passed by, and missing again when the pile is built again."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest

from spikemill.services.merger.provenance import pile_digest
from tests.acceptance.labs import Lab

REAL = Path(os.environ.get("SPIKEMILL_REAL_NWB") or Path(__file__).parents[3] / "shared" / "nwb")


def test_what_is_missing_from_a_pile_is_missing_again_when_it_is_rebuilt(open_folder: Path) -> None:
    lab = Lab(open_folder / "mixed")
    for name in ("a", "b"):
        lab.add(name)
    for name in ("noisy", "broken"):
        lab.add_empty(name)
    build = ("build", "--catalog", lab.catalogue(seed=9, shard_bytes=1))

    stuck = lab.run(*build)
    assert stuck.returncode == 1
    assert [line.split(":")[1].strip() for line in stuck.stderr.splitlines()] == [
        "sub-1/broken.nwb",
        "sub-1/noisy.nwb",
    ]
    assert not lab.home().pile.exists()

    skipped = lab.run("skip", "lab/sub-1/noisy", "--reason", "only noise")
    assert skipped.returncode == 0
    assert "The same `spikemill build` as before, with --home" in skipped.stdout
    assert "1 failure sent back." in lab.run("retry", "lab").stdout

    built = lab.run(*build, "--allow-missing")
    assert (built.returncode, built.stderr) == (0, "")
    assert "lab/sub-1/noisy: skipped: only noise" in built.stdout
    assert "lab: sub-1/broken.nwb: the HDF5 file holds nothing" in built.stdout
    card = (lab.home().pile / "README.md").read_text()
    assert "| lab | sub-1/noisy.nwb | skipped: only noise |" in card
    assert "| lab | sub-1/broken.nwb | it could not be built |" in card

    # Here all can be built: what the pile goes without must be left out all the same.
    elsewhere = Lab(open_folder / "elsewhere")
    for name in ("a", "b", "noisy", "broken"):
        elsewhere.add(name)
    rebuilt = elsewhere.run(
        "build", "--from", str(lab.home().pile), "--folder", f"lab={elsewhere.recordings}", "--workers", "1"
    )
    assert (rebuilt.returncode, rebuilt.stderr) == (0, "")
    assert rebuilt.stdout.endswith("It is the same pile, byte for byte.\n")
    assert pile_digest(elsewhere.home().pile) == pile_digest(lab.home().pile)


@pytest.mark.skipif(not REAL.is_dir(), reason=f"the real NWB files are not in {REAL}")
def test_each_bad_file_is_one_line_and_the_good_ones_give_the_reference_matrices(open_folder: Path) -> None:
    lab = Lab(open_folder / "real")
    lab.folder.mkdir()
    build = ("build", "--catalog", lab.catalogue(recordings=REAL))
    stuck = lab.run(*build)
    assert stuck.returncode == 1
    bad = {path.name for path in (*(REAL / "bad").glob("*.nwb"), *REAL.glob("*_MILLISECONDS.nwb"))}
    assert len(stuck.stderr.splitlines()) == len(bad) == 6
    for name in bad:
        (line,) = [line for line in stuck.stderr.splitlines() if name in line]
        assert "spikemill skip lab/" in line
    assert "Traceback" not in stuck.stdout + stuck.stderr
    assert not lab.home().pile.exists()
    assert not list(lab.home().piles.iterdir())

    built = lab.run(*build, "--allow-missing")
    assert (built.returncode, built.stderr) == (0, "")
    found = matrices(lab.home().pile)
    assert set(found) == {path.name for path in REAL.glob("*.nwb")} - bad
    expected = json.loads((REAL / "reference_counts.json").read_text())
    for name, counts in found.items():
        assert counts.shape == (expected[name]["units"], expected[name]["bins"])
        assert hashlib.sha256(counts.tobytes()).hexdigest() == expected[name]["sha256_uint8_c_order"]


def matrices(pile: Path) -> dict[str, npt.NDArray[np.uint8]]:
    """Return the matrix of each session of one row, by the name of its file."""
    rows = [row for path in pile.rglob("*.parquet") for row in pq.read_table(path).to_pylist()]
    return {f"{row['session_id']}.nwb": np.array(row["spike_counts"], np.uint8) for row in rows}
