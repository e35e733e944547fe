"""The wheel in an empty environment runs the demo from any folder, as root and as a plain user."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from spikemill.services.cli.local.home import Home
from tests.acceptance.builds import pile_of
from tests.acceptance.installations import CHECKOUT, NOBODY, Installation

_IS_ROOT = os.geteuid() == 0


def test_the_wheel_is_what_runs(installation: Installation, open_folder: Path) -> None:
    for module in ("spikemill.services.cli.entry", "spikemill.services.common.migrate"):
        place = installation.place_of(module, open_folder)
        assert place.is_relative_to(installation.folder)
        assert not place.is_relative_to(CHECKOUT)


def test_another_package_called_services_changes_nothing(
    installation: Installation, open_folder: Path
) -> None:
    [packages] = installation.folder.glob("lib/*/site-packages")
    foreign = packages / "services"
    foreign.mkdir()
    (foreign / "__init__.py").write_text("raise SystemExit('somebody else')\n")
    try:
        said = installation.run("--version", folder=open_folder)
    finally:
        shutil.rmtree(foreign)
    assert (said.returncode, said.stderr) == (0, "")


def test_the_demo_ends_with_a_pile_of_made_up_data(
    demo_run: subprocess.CompletedProcess[str], demo_home: Home
) -> None:
    assert "made up" in demo_run.stdout
    assert re.search(r"\b[0-9a-f]{64}\b", demo_run.stdout)
    assert "Traceback" not in demo_run.stdout + demo_run.stderr
    assert {"README.md", "provenance.jsonl"} < pile_of(demo_home).keys()
    assert "made up" in (demo_home.pile / "README.md").read_text()


@pytest.mark.skipif(not _IS_ROOT, reason="only root can become another user; the demo ran as a plain one")
def test_a_plain_user_makes_the_same_pile(
    installation: Installation, demo_home: Home, open_folder: Path
) -> None:
    if not installation.is_open:
        pytest.skip("Python or its packages lie in a folder that is closed to plain users")
    folder = open_folder / "of-nobody"
    folder.mkdir()
    shutil.chown(folder, NOBODY)
    ended = installation.run("demo", "--home", "demo", folder=folder, user=NOBODY)
    assert ended.returncode == 0, ended
    assert (folder / "demo" / "pile").resolve().owner() == NOBODY
    assert pile_of(Home(folder / "demo")) == pile_of(demo_home)


@pytest.mark.skipif(not _IS_ROOT, reason="only for root Postgres runs as another user")
def test_a_home_in_a_closed_folder_is_refused_in_one_sentence(
    installation: Installation, open_folder: Path
) -> None:
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    ended = installation.run("demo", "--home", str(closed / "demo"), folder=open_folder)
    assert ended.returncode == 2
    [sentence] = ended.stderr.splitlines()
    assert f"may not enter {closed}" in sentence
    assert "SPIKEMILL_DATABASE_URL" in sentence
    assert not (closed / "demo" / "pile").exists()
