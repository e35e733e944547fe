"""`spikemill demo`, as a newcomer runs it."""

import subprocess
from pathlib import Path

from services.cli.local.home import Home
from services.merger.provenance import pile_digest
from tests.acceptance.installations import Installation


def test_the_demo_builds_a_pile_says_what_it_is_and_finds_it_again(
    demo_run: subprocess.CompletedProcess[str],
    demo_home: Home,
    installation: Installation,
    demo_folder: Path,
) -> None:
    assert demo_run.stderr == ""
    assert "data are made up" in demo_run.stdout
    assert "Binned 13 sessions in " in demo_run.stdout
    assert "61,380,000  61,380,000" in demo_run.stdout
    digest = pile_digest(demo_home.pile)
    assert f"sha256, the same on every machine: {digest}\n" in demo_run.stdout
    port = (demo_home.state / "demo-port").read_text()

    again = installation.run("demo", "--home", "demo", folder=demo_folder)
    assert (again.returncode, again.stderr) == (0, "")
    assert "Nothing to do: this pile stands already.\n" in again.stdout
    assert f"sha256, the same on every machine: {digest}\n" in again.stdout
    assert (demo_home.state / "demo-port").read_text() == port
