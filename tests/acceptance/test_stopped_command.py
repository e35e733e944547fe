"""A build that is stopped, from here or from elsewhere: nothing is left running, and the next run goes on."""

import json
import signal
from pathlib import Path

import pytest

from spikemill.services.cli.local.engine import running_address
from tests.acceptance.labs import Lab
from tests.acceptance.processes import descendants_of, eventually

pytestmark = pytest.mark.chaos
# Long enough between two steps of the sweeper for everything that these tests do meanwhile.
SLOW = {"SPIKEMILL_SWEEP": "PT3S"}


@pytest.fixture
def lab(open_folder: Path, request: pytest.FixtureRequest) -> Lab:
    """Give a lab with two sessions."""
    lab = Lab(open_folder / request.node.name)
    for name in ("a", "b"):
        lab.add(name)
    return lab


def test_ctrl_c_leaves_no_process_and_the_next_run_ends(lab: Lab) -> None:
    build = ("build", "--catalog", lab.catalogue())
    with lab.running(*build, **SLOW) as process:
        eventually(lambda: running_address(lab.home()))
        children = eventually(lambda: descendants_of(process.pid))
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
        assert process.returncode == 130
        assert errors == "Stopped. Run the same command again: it goes on where this one ended.\n"
    assert children
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
    assert not lab.home().in_use()
    assert not lab.home().pile.exists()
    again = lab.run(*build)
    assert (again.returncode, again.stderr) == (0, "")


def test_a_build_that_is_cancelled_elsewhere_says_so(lab: Lab) -> None:
    build = ("build", "--catalog", lab.catalogue())
    with lab.running(*build, **SLOW) as process:
        eventually(lambda: running_address(lab.home()))
        assert "under way." in lab.run("status").stdout
        assert lab.run("cancel").stdout == "1 build cancelled.\n"
        _, errors = process.communicate()
        assert process.returncode == 1
        assert errors == "The build was cancelled from elsewhere; the same command takes it up again.\n"
    assert "cancelled; building again takes it up" in lab.run("status").stdout
    assert lab.run("cancel").stdout == "No build was open.\n"


def test_a_running_build_takes_up_what_is_queued(lab: Lab) -> None:
    first = lab.catalogue()
    second = lab.folder / "second.toml"
    second.write_text(Path(first).read_text().replace('name = "lab"\narchive', 'name = "more"\narchive'))
    with lab.running("build", "--catalog", first, **SLOW) as process:
        eventually(lambda: running_address(lab.home()))
        assert lab.run("build", "--catalog", first).returncode == 2
        queued = lab.run("queue", "--catalog", str(second))
        assert queued.stdout == "Build 2 of lab: 1 source queued.\n"
        output, errors = process.communicate()
        assert (process.returncode, errors) == (0, "")
    assert "Binned 4 sessions in " in output
    with (lab.home().pile / "provenance.jsonl").open() as lines:
        assert [source["name"] for source in json.loads(next(lines))["sources"]] == ["lab", "more"]
