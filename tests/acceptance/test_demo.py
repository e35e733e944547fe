"""`make demo`, as a newcomer runs it: the demo beside the made-up archive."""

import subprocess
import sys
from pathlib import Path

from spikemill.services.cli.local.home import Home
from spikemill.services.merger.provenance import pile_digest
from tests.acceptance.builds import COMMAND, DEMO


def run_demo(home: Path) -> subprocess.CompletedProcess[str]:
    """Serve the archive from the home, and run the demo beside it."""
    archive: list[str | Path] = [sys.executable, "-m", "standins.archive", "--folder", home / "archive", "--"]
    demo: list[str | Path] = [COMMAND, "demo", "--home", home, "--archive", "{url}"]
    return subprocess.run([*archive, *demo], capture_output=True, text=True, check=False)


def test_the_demo_builds_a_pile_says_what_it_is_and_finds_it_again(open_folder: Path) -> None:
    folder = open_folder / "demo"
    first = run_demo(folder)
    assert (first.returncode, first.stderr) == (0, "")
    assert "data are made up" in first.stdout
    assert "Binned 13 sessions in " in first.stdout
    assert "61,380,000  61,380,000" in first.stdout
    assert pile_digest(Home(folder).pile) == DEMO
    assert f"sha256, the same on every machine: {DEMO}\n" in first.stdout

    again = run_demo(folder)
    assert (again.returncode, again.stderr) == (0, "")
    assert "Nothing to do: this pile stands already.\n" in again.stdout
    assert f"sha256, the same on every machine: {DEMO}\n" in again.stdout
