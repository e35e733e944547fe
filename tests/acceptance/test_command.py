"""The command on a lab's own folder, from the first build to the last question."""

import csv
import io
import json
import shutil
from pathlib import Path

import pytest

from spikemill.services.merger.provenance import pile_digest
from tests.acceptance.labs import Lab

# Five units, and 1500, 1500, 1497 and 1499 bins up to the last spike of each recording.
TOKENS = 29_980
ATTEMPTS = "SELECT id, attempt FROM jobs WHERE kind IN ('plan', 'fetch', 'bin') ORDER BY id"


@pytest.fixture(scope="module")
def lab(open_folder: Path) -> Lab:
    """Give a lab with four sessions and a pile of them."""
    lab = Lab(open_folder / "lab")
    for name in ("a", "b", "c", "d"):
        lab.add(name)
    built = lab.run("build", "--catalog", lab.catalogue(seed=3, test_fraction=0.4))
    assert (built.returncode, built.stderr) == (0, ""), built
    assert f"Pile: {lab.home().pile}\n" in built.stdout
    assert "Binned 4 sessions in " in built.stdout
    assert "lab: 4 of 4 sessions done; 29,980 tokens\n" in built.stdout
    return lab


def test_the_same_build_again_has_nothing_to_do(lab: Lab) -> None:
    before = lab.ask(ATTEMPTS)
    again = lab.run("build", "--catalog", lab.catalogue(seed=3, test_fraction=0.4))
    assert (again.returncode, again.stderr) == (0, "")
    assert "Nothing to do: this pile stands already.\n" in again.stdout
    assert lab.ask(ATTEMPTS) == before


def test_status_tells_people_and_programs_that_the_pile_stands(lab: Lab) -> None:
    told = lab.run("status", "--watch")
    assert told.returncode == 0
    assert "Build 1 of lab: the pile stands." in told.stdout
    assert told.stdout.endswith(f"Pile: {lab.home().pile}\n")
    assert max(map(len, told.stdout.splitlines())) <= 80
    document = json.loads(lab.run("status", "--json").stdout)
    assert (document["build"]["state"], document["build"]["tokens_done"]) == ("released", TOKENS)
    assert document["build"]["digest"] == lab.home().pile.readlink().name
    assert [(source["source"], source["done"]) for source in document["sources"]] == [("lab", 4)]
    assert (document["failures"], document["left_out"]) == ([], [])


@pytest.mark.parametrize("form", ["table", "csv"])
def test_the_ledger_shows_what_was_counted_beside_what_was_expected(lab: Lab, form: str) -> None:
    told = lab.run("tokens", "--format", form)
    assert told.returncode == 0
    if form == "table":
        assert "4/4" in told.stdout
        assert "29,980" in told.stdout
    else:
        rows = list(csv.DictReader(io.StringIO(told.stdout)))
        assert [(row["source"], row["tokens"], row["expected_sessions"]) for row in rows] == [
            ("lab", str(TOKENS), "4"),
            ("total", str(TOKENS), "4"),
        ]


def test_a_whole_pile_is_verified_with_its_digest(lab: Lab) -> None:
    told = lab.run("verify", str(lab.home().pile), home=None)
    digest = pile_digest(lab.home().pile)
    assert told.stdout == f"{lab.home().pile} is whole: 4 rows, 29,980 tokens, sha256 {digest}\n"
    assert told.returncode == 0


def test_a_damaged_pile_is_found_out(lab: Lab) -> None:
    damaged = lab.folder / "damaged"
    shutil.copytree(lab.home().pile, damaged)
    (damaged / "README.md").write_text("nothing")
    told = lab.run("verify", str(damaged), home=None)
    assert told.returncode == 1
    assert "README.md: " in told.stdout
    assert told.stderr.startswith(f"{damaged}: 2 findings; ")
    assert told.stderr.count("\n") == 1


def test_rasters_are_drawn(lab: Lab) -> None:
    told = lab.run("plot", str(lab.home().pile), "--out", "rows.png", home=None)
    assert (told.returncode, told.stdout, told.stderr) == (0, "Drawn: rows.png\n", "")
    assert (lab.folder / "rows.png").read_bytes().startswith(b"\x89PNG")


def test_another_seed_makes_a_new_pile_of_the_same_chunks(lab: Lab) -> None:
    first, before = lab.home().pile.resolve(), lab.ask(ATTEMPTS)
    built = lab.run("build", "--catalog", lab.catalogue(seed=4, test_fraction=0.4))
    assert built.returncode == 0, built
    assert "4 sessions were there already" in built.stdout
    assert lab.home().pile.resolve() != first
    assert first.is_dir()
    assert lab.ask(ATTEMPTS) == before


def test_a_recording_that_changed_since_the_pile_was_made_is_reported(lab: Lab) -> None:
    elsewhere = Lab(lab.folder / "elsewhere")
    for name in ("a", "b", "c", "d"):
        elsewhere.add(name, seconds=31 if name == "a" else 30)
    told = elsewhere.run("build", "--from", str(lab.home().pile), "--folder", f"lab={elsewhere.recordings}")
    assert told.returncode == 1
    changed, *_, last = told.stderr.splitlines()
    assert changed == ("lab/sub-1/a: sub-1/a.nwb is no longer what the archive held when the pile was made")
    assert last == "provenance.jsonl is not the same"


def test_spare_chunks_are_dropped_and_the_pile_stays(lab: Lab) -> None:
    size = sum(path.stat().st_size for path in lab.home().chunks.rglob("*.parquet"))
    assert size
    told = lab.run("prune")
    assert told.stdout == f"4 chunks dropped, {size / 1000:.1f} kB freed.\n"
    assert not list(lab.home().chunks.rglob("*.parquet"))
    assert lab.run("verify", str(lab.home().pile), home=None).returncode == 0
    limited = lab.run("build", "--catalog", lab.catalogue(), "--limit", "1")
    assert "Binned 1 session in " in limited.stdout
    assert (
        json.loads((lab.home().pile / "provenance.jsonl").read_text().splitlines()[0])["session_limit"] == 1
    )


def test_a_dry_run_says_what_it_can_and_names_what_it_cannot(lab: Lab) -> None:
    lab.add("e")
    try:
        told = lab.run("plan", "--catalog", lab.catalogue(), "--json", home=None)
    finally:
        (lab.recordings / "sub-1" / "e.nwb").unlink()
    assert told.returncode == 0
    assert json.loads(told.stdout)[0]["sessions"] == 5
    assert told.stderr == "lab: 5 sessions are selected, 4 were expected\n"
    nothing = lab.run("plan", "--catalog", lab.catalogue("*.txt"), home=None)
    assert (nothing.returncode, nothing.stdout) == (1, "")
    assert nothing.stderr.startswith("lab: none of the 4 assets is selected")
    assert nothing.stderr.count("\n") == 1
