# ruff: noqa: SLF001 - what two processes say to each other in an unlucky order
"""Children that are forked: what they are told, how they end, and that none outlives its supervisor."""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest

from spikemill.services.cli.local.children import Child
from spikemill.services.cli.local.fork_server import ForkServer, _Connection, _Request, _serve
from spikemill.services.cli.local.home import Home

pytestmark = pytest.mark.slow

Eventually = Callable[[Callable[[], bool]], None]
ForkedChild = Callable[[str], Child]

_REQUEST = _Request("toy", [], {}, "/", "/dev/null", signal.SIGKILL)
SUPERVISOR = """
import os, sys, time
from pathlib import Path
from spikemill.services.cli.local.children import Child
from spikemill.services.cli.local.fork_server import ForkServer
folder = Path(sys.argv[1])
command = [sys.executable, "-m", "timeit", "-n1", "-r1", "import time; time.sleep(600)"]
child = Child("waits", command, {**os.environ}, folder, folder / "log", forks=True)
print(ForkServer(folder / "server.log").start(child, "w1").pid, flush=True)
time.sleep(600)
"""
PRELOADED = """
import json, os, sys, threading
from importlib import import_module
from spikemill.services.cli.local import fork_server
from spikemill.services.common.settings import settings
for name in fork_server._PRELOADED:
    import_module(name)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
files = [os.path.realpath(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")]
sockets = [name for name in files if "socket:" in name]
print(json.dumps([int(status["Threads"]), settings.cache_info().currsize, sockets, sorted(sys.modules)]))
"""


@pytest.fixture
def server(home: Home) -> Iterator[ForkServer]:
    """Give a fork server that ends with the test."""
    with closing(ForkServer(home.log("fork-server"))) as server:
        yield server


@pytest.fixture
def forked(home: Home) -> ForkedChild:
    """Give a function that makes a child out of a few lines of Python, for a module that runs them."""

    def make(code: str) -> Child:
        return Child(
            name="toy",
            command=[sys.executable, "-m", "timeit", "-n1", "-r1", code],
            environment={**os.environ, "COLOUR": "red"},
            folder=home.path,
            log=home.log("toy"),
            forks=True,
        )

    return make


def test_a_child_is_what_it_would_be_without_the_fork(
    server: ForkServer, forked: ForkedChild, home: Home
) -> None:
    code = (
        "import json, os; title = open('/proc/self/cmdline').read(); "
        "print(json.dumps([os.getpid(), os.getsid(0), os.getcwd(), title, {**os.environ}]))"
    )
    process = server.start(forked(code), "w1")
    assert process.wait() == 0
    pid, session, folder, title, environment = json.loads(home.log("toy").read_text().splitlines()[0])
    assert pid == session == process.pid
    assert Path(folder) == home.path
    assert title.startswith(f"{sys.executable} -m timeit -n1 -r1 import json")
    assert environment == {**os.environ, "COLOUR": "red", "SPIKEMILL_WORKER": "w1"}


@pytest.mark.parametrize(
    ("code", "status"),
    [("pass", 0), ("import os; os._exit(3)", 3), ("import os; os.kill(os.getpid(), 9)", -9), ("1 / 0", 1)],
)
def test_its_end_is_told_as_that_of_any_child(
    server: ForkServer, forked: ForkedChild, code: str, status: int
) -> None:
    process = server.start(forked(code), "w1")
    assert process.wait() == status
    assert (process.poll(), process.returncode) == (status, status)
    process.kill()


def test_what_it_cannot_do_stands_in_its_own_log(server: ForkServer, home: Home) -> None:
    command = [sys.executable, "-m", "no.such.module"]
    process = server.start(Child("toy", command, {}, home.path, home.log("toy"), forks=True), "w1")
    assert process.wait() == 1
    assert "No module named" in home.log("toy").read_text()


def test_a_module_that_is_loaded_beforehand_begins_without_a_warning(server: ForkServer, home: Home) -> None:
    command = [sys.executable, "-m", "spikemill.services.common.worker", "--help"]
    process = server.start(Child("toy", command, {}, home.path, home.log("toy"), forks=True), "w1")
    assert process.wait() == 0
    assert home.log("toy").read_text().startswith("usage: ")


def test_an_end_that_is_told_before_the_start_was_heard_of_is_not_lost(tmp_path: Path) -> None:
    connection = _Connection(tmp_path / "server.log")
    with connection._ours, connection._theirs:
        connection._note(pid=7)
        connection._note(pid=7, status=3)
        assert connection.request(_REQUEST).wait() == 3


def test_a_log_that_cannot_be_opened_is_told_at_once(server: ForkServer, home: Home) -> None:
    log = home.path / "no folder" / "log"
    with pytest.raises(FileNotFoundError, match="no folder"):
        server.start(Child("toy", [sys.executable, "-m", "timeit"], {}, home.path, log, forks=True), "w1")


def test_a_server_whose_log_cannot_be_opened_is_an_error_of_whoever_asks(
    home: Home, forked: ForkedChild
) -> None:
    with (
        closing(ForkServer(home.path / "no folder" / "log")) as server,
        pytest.raises(FileNotFoundError, match="no folder"),
    ):
        server.start(forked("pass"), "w1")


def test_where_no_process_can_be_had_the_server_says_so_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def fork() -> int:
        raise BlockingIOError(errno.EAGAIN, "too many")

    monkeypatch.setattr(os, "fork", fork)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(json.dumps(asdict(_REQUEST)).encode() + b"\n")
        ours.shutdown(socket.SHUT_WR)
        assert _serve(theirs) is None
        answer = json.loads(ours.recv(100))
    assert answer == {"fault": errno.EAGAIN}


def test_a_fault_of_the_server_is_one_of_whoever_asks(tmp_path: Path) -> None:
    connection = _Connection(tmp_path / "server.log")
    connection._note(fault=errno.EAGAIN)
    with connection._ours, connection._theirs, pytest.raises(BlockingIOError):
        connection.request(_REQUEST)


def test_it_takes_signals(server: ForkServer, forked: ForkedChild) -> None:
    process = server.start(forked("import time; time.sleep(600)"), "w1")
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait() == -signal.SIGTERM


def test_where_the_server_is_killed_its_children_are_too_and_the_next_child_has_another(
    server: ForkServer, forked: ForkedChild
) -> None:
    waits = forked("import time; time.sleep(600)")
    first = server.start(waits, "w1")
    os.kill(parent_of(first.pid), signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    second = server.start(waits, "w2")
    assert second.poll() is None
    second.kill()
    assert second.wait() == -signal.SIGKILL


def test_a_closed_server_leaves_no_process(home: Home, forked: ForkedChild, eventually: Eventually) -> None:
    with closing(ForkServer(home.log("fork-server"))) as server:
        process = server.start(forked("import time; time.sleep(600)"), "w1")
        parent = parent_of(process.pid)
    eventually(lambda: not Path(f"/proc/{parent}").exists() and not Path(f"/proc/{process.pid}").exists())


def test_no_child_outlives_a_killed_supervisor(tmp_path: Path, eventually: Eventually) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as supervisor:
        assert supervisor.stdout
        child = int(supervisor.stdout.readline())
        server = parent_of(child)
        assert parent_of(server) == supervisor.pid
        supervisor.kill()
    eventually(lambda: not Path(f"/proc/{server}").exists() and not Path(f"/proc/{child}").exists())


def test_what_is_loaded_beforehand_neither_connects_nor_starts_a_thread_nor_looks_at_settings() -> None:
    told = subprocess.run(
        [sys.executable, "-c", PRELOADED], capture_output=True, text=True, check=True
    ).stdout
    threads, settings, sockets, modules = json.loads(told)
    assert (threads, settings, sockets) == (1, 0, [])
    # Arrow reads its variables when it is loaded, and numpy starts threads.
    assert not {"numpy", "pyarrow", "h5py", "spikemill.services.common.worker.signals"} & set(modules)


def parent_of(pid: int) -> int:
    """Return the parent of a process."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_server_that_is_stopped_holds_up_no_end(
    home: Home, forked: ForkedChild, eventually: Eventually
) -> None:
    with closing(ForkServer(home.log("fork-server"))) as server:
        process = server.start(forked("import time; time.sleep(600)"), "w1")
        os.kill(parent_of(process.pid), signal.SIGSTOP)
    eventually(lambda: not Path(f"/proc/{process.pid}").exists())
