"""A home that every user can reach, and ways to wait for and to look at real processes."""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spikemill.services.cli.local.children import Child
from spikemill.services.cli.local.home import Home
from spikemill.services.common.settings import settings

Eventually = Callable[[Callable[[], bool]], None]


@pytest.fixture(autouse=True)
def _no_addresses(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget what the caller's environment says about a database and a broker."""
    for name in [name for name in os.environ if name.startswith("SPIKEMILL_")]:
        monkeypatch.delenv(name)
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Make a folder that every user may enter; pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="home-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def home(open_folder: Path) -> Home:
    """Make a home with its folders."""
    home = Home(open_folder / "home")
    home.create()
    return home


@pytest.fixture
def eventually() -> Eventually:
    """Give a function that waits until a condition holds; a test that waits in vain ends by its timeout."""

    def wait(condition: Callable[[], bool]) -> None:
        while not condition():
            time.sleep(0.02)

    return wait


@pytest.fixture
def processes_of(home: Home) -> Callable[[], list[str]]:
    """Give a function that lists the commands of all processes that work in the home."""

    def listed() -> list[str]:
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                folder, command = (process / "cwd").readlink(), (process / "cmdline").read_bytes()
            except OSError:
                continue
            if folder.is_relative_to(home.path) and command:
                found.append(command.replace(b"\0", b" ").decode())
        return found

    return listed


@pytest.fixture
def toy(home: Home) -> Callable[[str, str], Child]:
    """Give a function that makes a child out of a few lines of Python."""

    def make(name: str, code: str) -> Child:
        return Child(
            name=name,
            command=[sys.executable, "-c", code],
            environment={**os.environ},
            folder=home.path,
            log=home.log(name),
        )

    return make
