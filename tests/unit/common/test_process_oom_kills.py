"""The kernel's count of processes that it killed for memory."""

import shutil
import subprocess
from pathlib import Path

import pytest

from spikemill.services.common import process
from spikemill.services.common.process import OomKills

_IMAGE = "python:3.13-slim"
# A child that takes more than the container may have, after its parent began to count.
_HUNGRY = """
import subprocess, sys
kills = OomKills()
before = kills.one_more()
child = subprocess.run([sys.executable, "-c", "bytearray(2**28)"])
print(before, child.returncode, kills.one_more(), kills.one_more())
"""


def group(folder: Path, membership: str, name: str, kills: int) -> OomKills:
    """Make up a control group that counted so many kills."""
    (folder / "membership").write_text(f"{membership}\n")
    file = folder / "groups" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"low 0\nmax 7\noom_kill {kills}\noom_group_kill 0\n")
    return OomKills(folder / "membership", folder / "groups")


LAYOUTS = [
    ("0::/", "memory.events"),
    ("0::/system.slice/worker.scope", "system.slice/worker.scope/memory.events"),
    ("4:memory:/docker/abc", "memory/docker/abc/memory.oom_control"),
    # A container sees its own group at the top, and yet hears its name outside.
    ("4:cpu,memory:/docker/abc", "memory/memory.oom_control"),
    ("0::/docker/abc", "memory.events"),
]


@pytest.mark.parametrize(("membership", "name"), LAYOUTS)
def test_each_kill_is_told_once(membership: str, name: str, tmp_path: Path) -> None:
    kills = group(tmp_path, membership, name, 3)
    assert not kills.one_more()
    group(tmp_path, membership, name, 5)
    assert [kills.one_more() for _ in range(3)] == [True, True, False]


def test_where_nothing_is_counted_nothing_is_told(tmp_path: Path) -> None:
    kills = OomKills(tmp_path / "none", tmp_path / "nothing")
    assert not kills.one_more()
    (tmp_path / "membership").write_text("9:name=systemd:/\n0::/\n")
    assert not OomKills(tmp_path / "membership", tmp_path / "nothing").one_more()


def test_a_real_kill_for_memory_is_counted() -> None:
    program = Path(process.__file__).read_text() + _HUNGRY
    docker = _engine()
    ended = subprocess.run(
        [docker, "run", "--rm", "--interactive", "--memory=64m", "--memory-swap=64m", _IMAGE, "python", "-"],
        input=program,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout.split() == ["False", "-9", "True", "False"], ended


def _engine() -> str:
    """Return the docker command; skips where no engine answers or it cannot have the image."""
    docker = shutil.which("docker")
    if docker is None:
        pytest.skip("there is no docker command")
    for question in (["version"], ["image", "inspect", _IMAGE]):
        if subprocess.run([docker, *question], capture_output=True, check=False).returncode != 0:
            pytest.skip(f"no engine that has {_IMAGE} can be reached")
    return docker
