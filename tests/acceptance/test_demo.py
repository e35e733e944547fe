"""`spikemill demo`, as a newcomer runs it."""

from pathlib import Path

from services.merger.pile_digest import pile_digest
from tests.acceptance.labs import Lab


def test_the_demo_builds_a_pile_says_what_it_is_and_finds_it_again(open_folder: Path) -> None:
    lab = Lab(open_folder / "demonstration")
    lab.folder.mkdir()
    first = lab.run("demo")
    assert (first.returncode, first.stderr) == (0, "")
    assert "data are made up" in first.stdout
    assert "Binned 13 sessions in " in first.stdout
    assert "61,380,000  61,380,000" in first.stdout
    digest = pile_digest(lab.home().pile)
    assert f"sha256, the same on every machine: {digest}\n" in first.stdout
    port = (lab.home().state / "demo-port").read_text()

    again = lab.run("demo")
    assert (again.returncode, again.stderr) == (0, "")
    assert "Nothing to do: this pile stands already.\n" in again.stdout
    assert f"sha256, the same on every machine: {digest}\n" in again.stdout
    assert (lab.home().state / "demo-port").read_text() == port
