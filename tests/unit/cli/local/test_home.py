"""The home: its folders and its lock."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from spikemill.services.cli.local.home import Home
from spikemill.services.common.errors import CallError

HOLDER = """
import sys, time
from pathlib import Path
from spikemill.services.cli.local.home import Home
with Home(Path(sys.argv[1])).locked():
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_holder_is_refused_with_the_first_ones_process(home: Home) -> None:
    with home.locked(), pytest.raises(CallError, match=rf"in use .*process {os.getpid()}"), home.locked():
        pass


def test_a_holder_that_leaves_soon_is_waited_for(home: Home) -> None:
    held, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with home.locked():
            held.set()
            leave.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    threading.Timer(0.2, leave.set).start()
    with home.locked(patience=60):
        assert home.in_use()
    holder.join()


def test_the_lock_of_a_killed_holder_is_free(home: Home, eventually: Callable[..., None]) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(home.path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert home.in_use()
        holder.send_signal(signal.SIGKILL)
    eventually(lambda: not home.in_use())
    with home.locked():
        assert (home.state / "lock").read_text() == f"{os.getpid()}\n"


def test_a_home_that_is_not_there_is_not_in_use(open_folder: Path) -> None:
    assert not Home(open_folder / "nothing").in_use()


def test_only_finished_clusters_count(home: Home) -> None:
    for name in ("postgres-18", "postgres-9", "postgres-18.new", "postgres-x"):
        (home.state / name).mkdir()
    assert [path.name for path in home.clusters()] == ["postgres-9", "postgres-18"]


def test_a_file_in_the_place_of_the_home_is_named(open_folder: Path) -> None:
    (open_folder / "file").write_text("")
    with pytest.raises(CallError, match=r"cannot make the folder .*file.*--home"):
        Home(open_folder / "file").create()


def test_a_relative_home_is_made_absolute(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(open_folder)
    assert Home(Path("here")).state == open_folder / "here" / "state"
