"""Children that die, that cannot start, that do not want to end, and a supervisor that is killed."""

import os
import queue
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from spikemill.services.cli.local.children import Child, EngineError, RestartPolicy, StopStep
from spikemill.services.cli.local.home import Home
from spikemill.services.cli.local.supervisor import Death, EarlyEnds, Interrupts, Supervisor, last_line

Eventually = Callable[[Callable[[], bool]], None]
Toy = Callable[[str, str], Child]

SIGNED = """
import os, time
with open("signed", "a") as file:
    file.write(f"{os.getpid()} {os.getsid(0)} {os.environ['SPIKEMILL_WORKER']}\\n")
time.sleep(600)
"""
STUBBORN = """
import signal, time
from pathlib import Path
signal.signal(signal.SIGTERM, lambda *_: Path("asked").touch())
Path("ready").touch()
while True:
    time.sleep(600)
"""
PARENT = """
import subprocess, sys, time
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open("grandchild", "w").write(str(grandchild.pid))
time.sleep(600)
"""
SUPERVISOR = """
import os, sys, time
from pathlib import Path
from spikemill.services.cli.local.children import Child
from spikemill.services.cli.local.supervisor import Interrupts
from spikemill.services.cli.local.supervisor import Supervisor
home = Path(sys.argv[1])
code = "import os, time; open('toy', 'w').write(str(os.getpid())); time.sleep(600)"
child = Child("toy", [sys.executable, "-c", code], dict(os.environ), home, home / "logs" / "toy.log")
with Supervisor("b1", Interrupts()).running(child):
    time.sleep(600)
"""


@pytest.fixture
def presses() -> Interrupts:
    return Interrupts()


@pytest.fixture
def supervisor(presses: Interrupts) -> Supervisor:
    return Supervisor("b1", presses)


def signed(home: Home) -> list[list[str]]:
    """Return process, session and worker of each incarnation that signed."""
    path = home.path / "signed"
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def alive(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_killed_child_is_started_again_and_its_death_told(
    home: Home, toy: Toy, supervisor: Supervisor, eventually: Eventually
) -> None:
    deaths: queue.SimpleQueue[Death] = queue.SimpleQueue()
    with supervisor.running(toy("toy", SIGNED), report=deaths.put):
        eventually(lambda: len(signed(home)) == 1)
        os.kill(int(signed(home)[0][0]), signal.SIGKILL)
        assert deaths.get() == Death("b1.toy.1", -signal.SIGKILL)
        eventually(lambda: len(signed(home)) == 2)
    assert [worker for _, _, worker in signed(home)] == ["b1.toy.1", "b1.toy.2"]
    assert all(pid == session for pid, session, _ in signed(home))
    assert not any(alive(int(pid)) for pid, _, _ in signed(home))
    assert deaths.empty()


def test_a_child_that_never_runs_is_given_up_with_its_last_words(toy: Toy, supervisor: Supervisor) -> None:
    broken = toy("toy", "raise SystemExit('the tape is torn')")
    broken = replace(broken, restart_policy=RestartPolicy(ends=3, span=0.0))
    with (
        supervisor.running(broken),
        pytest.raises(
            EngineError, match=r"toy does not keep running \(exit status 1\): the tape is torn; .*log"
        ),
    ):
        supervisor.wait_until(lambda: False)


def test_a_program_that_is_not_there_is_named(toy: Toy, supervisor: Supervisor) -> None:
    missing = replace(toy("toy", ""), command=["/not/there"], restart_policy=RestartPolicy(ends=1, span=0.0))
    with supervisor.running(missing), pytest.raises(EngineError, match=r"cannot start /not/there"):
        supervisor.wait_until(lambda: False)


def test_kills_from_outside_never_make_a_child_hopeless() -> None:
    ends = EarlyEnds(RestartPolicy(ends=2, span=0.0))
    for _ in range(50):
        ends.record(-signal.SIGKILL, lived=0.0)
    assert not ends.hopeless()
    assert ends.pause() == ends.policy.backoff.longest_pause


def test_a_long_life_makes_earlier_ends_forgotten() -> None:
    ends = EarlyEnds(RestartPolicy(ends=2, span=0.0))
    ends.record(1, lived=0.0)
    ends.record(1, lived=ends.policy.settled)
    assert not ends.hopeless()
    assert ends.pause() == ends.policy.backoff.first_pause
    ends.record(1, lived=0.0)
    assert ends.hopeless()


def test_a_child_that_does_not_listen_is_killed(
    home: Home,
    toy: Toy,
    supervisor: Supervisor,
    eventually: Eventually,
    processes_of: Callable[[], list[str]],
) -> None:
    stubborn = replace(toy("toy", STUBBORN), stop_steps=(StopStep(signal.SIGTERM, 0.1),))
    with supervisor.running(stubborn):
        eventually((home.path / "ready").exists)
    assert (home.path / "asked").exists()
    assert processes_of() == []


def test_another_press_cuts_the_wait_short(
    home: Home, toy: Toy, presses: Interrupts, eventually: Eventually
) -> None:
    stubborn = toy("toy", STUBBORN)
    steps = (StopStep(signal.SIGTERM, 10_000.0), StopStep(signal.SIGKILL, 10_000.0))

    class Pressing(Interrupts):
        """Presses again as soon as the child was asked to end."""

        def presses(self) -> int:
            if (home.path / "asked").exists():
                presses.handle(signal.SIGINT, None)
            return presses.presses()

    presses.expect_end()
    with Supervisor("b1", Pressing()).running(replace(stubborn, stop_steps=steps)):
        eventually((home.path / "ready").exists)


def test_what_a_dead_child_left_behind_is_killed(
    home: Home, toy: Toy, supervisor: Supervisor, eventually: Eventually
) -> None:
    note = home.path / "grandchild"
    with supervisor.running(toy("toy", PARENT)):
        eventually(lambda: note.exists() and note.read_text() != "")
        grandchild = int(note.read_text())
        assert alive(grandchild)
    eventually(lambda: not alive(grandchild))


def test_the_group_started_last_is_stopped_first(
    home: Home, toy: Toy, supervisor: Supervisor, eventually: Eventually
) -> None:
    parting = """
import signal, sys, time
from pathlib import Path
def end(*_):
    with open("order", "a") as file:
        file.write(sys.argv[0] + NAME + "\\n")
    sys.exit()
signal.signal(signal.SIGTERM, end)
Path(NAME).touch()
while True:
    time.sleep(600)
"""
    first, second = (toy(name, parting.replace("NAME", repr(name))) for name in ("first", "second"))
    with supervisor.running(first), supervisor.running(second):
        eventually(lambda: (home.path / "first").exists() and (home.path / "second").exists())
    assert (home.path / "order").read_text().splitlines() == ["-csecond", "-cfirst"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_no_child_outlives_a_killed_supervisor(
    home: Home, eventually: Eventually, processes_of: Callable[[], list[str]]
) -> None:
    note = home.path / "toy"
    with subprocess.Popen([sys.executable, "-c", SUPERVISOR, str(home.path)]) as program:
        eventually(lambda: note.exists() and note.read_text() != "")
        assert len(processes_of()) == 1
        program.kill()
    eventually(lambda: processes_of() == [])


def test_the_last_line_skips_blank_ones(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("x" * 10_000 + "\nlast words\n\n  \n")
    assert last_line(log) == "last words"
    assert last_line(tmp_path / "missing") == ""
