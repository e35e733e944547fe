"""The whole engine as a person runs it: up, interrupted, killed, asked from beside, as root and as nobody."""

import os
import shutil
import signal
import site
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from spikemill.services.cli.local.engine import Address, ledger_address, running_address, running_engine
from spikemill.services.cli.local.home import Home
from spikemill.services.common.errors import CallError
from spikemill.services.common.settings import settings

pytestmark = pytest.mark.slow

Eventually = Callable[[Callable[[], bool]], None]
Processes = Callable[[], list[str]]

PROGRAM = Path(__file__).with_name("engine_program.py")
CHECKOUT = Path(__file__).parents[4]


@contextmanager
def program(home: Home) -> Iterator[subprocess.Popen[str]]:
    """Run the engine in a process of its own, and go on when it is up."""
    command = [sys.executable, str(PROGRAM), str(home.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("prepared ")
            assert process.stdout.readline().startswith("up ")
            yield process
        finally:
            process.send_signal(signal.SIGINT)


def ask(url: str) -> object:
    """Ask the database something."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT current_database()").fetchone()
    return row and row[0]


@pytest.mark.chaos
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_no_process(home: Home, processes_of: Processes, number: signal.Signals) -> None:
    with program(home) as process:
        # postgres with its own children, the broker, two toys
        assert len(processes_of()) >= 4
        process.send_signal(number)
        assert process.wait() == 130
        assert processes_of() == []
    assert not home.in_use()
    assert running_address(home) is None


@pytest.mark.chaos
def test_a_killed_supervisor_leaves_no_process_and_the_next_goes_on(
    home: Home, eventually: Eventually, processes_of: Processes
) -> None:
    with program(home) as process:
        sockets = (home.state / "sockets").readlink()
        process.kill()
        process.wait()
    eventually(lambda: processes_of() == [])
    assert sockets.exists()
    with program(home) as process:
        assert not sockets.exists()
        process.send_signal(signal.SIGINT)
        process.wait()
    assert processes_of() == []


def test_beside_a_running_engine_the_others_ask_it_and_a_second_is_refused(home: Home) -> None:
    with program(home):
        with ledger_address(home) as url:
            assert ask(url) == "spikemill"
        command = [sys.executable, str(PROGRAM), str(home.path)]
        second = subprocess.run(command, capture_output=True, text=True, cwd=CHECKOUT, check=False)
    assert second.returncode == 1
    assert f"{home.path} is in use by another spikemill (process " in second.stderr


def test_an_engine_that_is_starting_is_waited_for(home: Home, eventually: Eventually) -> None:
    command = [sys.executable, str(PROGRAM), str(home.path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=CHECKOUT) as process:
        eventually(home.in_use)
        with ledger_address(home) as url:
            assert running_address(home) is not None
            assert ask(url) == "spikemill"
        process.send_signal(signal.SIGINT)


def test_without_an_engine_postgres_answers_alone(home: Home, processes_of: Processes) -> None:
    with pytest.raises(CallError, match=f"there is no ledger in {home.path}"), ledger_address(home):
        pass
    with program(home) as process:
        process.send_signal(signal.SIGINT)
        process.wait()
    with ledger_address(home) as url:
        assert ask(url) == "spikemill"
    assert processes_of() == []


def test_given_addresses_are_used_and_nothing_is_started(
    home: Home, monkeypatch: pytest.MonkeyPatch, processes_of: Processes
) -> None:
    monkeypatch.setenv("SPIKEMILL_DATABASE_URL", "postgresql://someone@host/name")
    monkeypatch.setenv("SPIKEMILL_BROKER_URL", "redis://host/0")
    settings.cache_clear()
    seen: list[Address] = []
    with running_engine(home, prepare=seen.append) as engine:
        assert seen == [engine.address]
        assert engine.address.database_url == "postgresql://someone@host/name"
        assert engine.address.broker_url == "redis://host/0"
        assert processes_of() == []
    with ledger_address(home) as url:
        assert url == "postgresql://someone@host/name"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_nobody_needs_no_root(home: Home, open_folder: Path, processes_of: Processes) -> None:
    python = _interpreter_for_all()
    shutil.chown(home.path, "nobody")
    for folder in (home.piles, home.chunks, home.spool, home.state, home.logs):
        shutil.chown(folder, "nobody")
    code = _copy_of_the_code(open_folder)
    environment = {
        "PATH": os.defpath,
        "HOME": str(home.path),
        "PYTHONPATH": os.pathsep.join([str(code), *site.getsitepackages()]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [python, str(code / PROGRAM.name), str(home.path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd="/", env=environment, user="nobody", group="nogroup"
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("prepared ")
        assert process.stdout.readline().startswith("up ")
        assert {path.owner() for path in home.clusters()} == {"nobody"}
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
    assert processes_of() == []


def _interpreter_for_all() -> str:
    """Return an interpreter of this version that nobody can run, and that finds our packages."""
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for python in (sys.executable, f"/usr/bin/{name}", f"/usr/local/bin/{name}"):
        try:
            asked = subprocess.run(
                [python, "-c", "import psycopg, pydantic_settings, redis"],
                env={"PYTHONPATH": os.pathsep.join(site.getsitepackages())},
                user="nobody",
                capture_output=True,
                check=False,
            )
        except OSError:
            continue
        if asked.returncode == 0:
            return python
    pytest.skip("Python or its packages lie in a folder that is closed to nobody")


def _copy_of_the_code(folder: Path) -> Path:
    """Copy the program and the package to where nobody can read them, whatever the checkout's place."""
    code = folder / "code"
    shutil.copytree(CHECKOUT / "spikemill", code / "spikemill", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROGRAM, code)
    return code
