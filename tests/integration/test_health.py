"""Health checks of real processes: progress is health, whatever hangs or is away for long is not."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from celery import Celery
from sqlalchemy import func, update

from spikemill.services.cli.local.children import Process
from spikemill.services.cli.local.engine import Address
from spikemill.services.common.database import transaction
from spikemill.services.common.models import JobKind, JobState, LedgerMark
from spikemill.services.common.worker.kinds import task_name
from tests.harness.forked_programs import run_program, start_program
from tests.integration import ledgers
from tests.integration.celery_workers import until, worker

_PATIENT = "PT10M"
# A healthy worker beats every two seconds, if this machine has the time: only a wait may rest on this.
_STRICT = "PT4S"
_IDLE = (0, "The worker moves; 0 of its 2 processes hold a job.")


@pytest.fixture(autouse=True)
def _deployment(app: Celery) -> None:
    """Give the processes their places, and a broker that remembers nothing."""


@pytest.fixture(autouse=True)
def heartbeat_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Name the file of the heartbeat, for the process and for its check."""
    path = tmp_path / "heartbeat"
    monkeypatch.setenv("SPIKEMILL_HEARTBEAT_FILE", str(path))
    return path


def check(process: str, grace: str = _PATIENT, **environment: str) -> tuple[int, str]:
    """Run the check, and return its exit status and its one line."""
    ended = run_program(
        "spikemill.services.common.worker.health",
        process,
        environment={**os.environ, "SPIKEMILL_HEALTH_GRACE": grace, **environment},
    )
    assert ended.stderr == ""
    [line] = ended.stdout.splitlines()
    return ended.returncode, line


def is_well(process: str, *, grace: str = _PATIENT) -> bool:
    return check(process, grace)[0] == 0


def ill(process: str, grace: str = _STRICT, **environment: str) -> str:
    """Return what is said of a process that is ill."""
    status, line = check(process, grace, **environment)
    return line if status == 1 else ""


def is_ill(process: str, *, says: str) -> bool:
    return says in ill(process)


@contextmanager
def frozen(process: Process) -> Iterator[None]:
    """Stop a process for the time of the block."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def test_a_worker_is_ill_until_it_has_begun_and_well_while_it_is_idle(tmp_path: Path) -> None:
    assert is_ill("worker", says="There is no heartbeat")
    with worker(tmp_path / "log"):
        until(lambda: is_well("worker"))
        assert check("worker") == _IDLE


def test_a_worker_is_well_while_it_is_busy(app: Celery, tmp_path: Path) -> None:
    ledgers.ask(sources=[replace(ledgers.source("held"), config={"failures": 1})])
    with worker(tmp_path / "log") as process:
        job = ledgers.only(JobKind.PLAN).id
        app.send_task(task_name(JobKind.PLAN), args=[job], queue="plan")
        until(lambda: ledgers.job(job).state is JobState.RUNNING)
        until(lambda: check("worker") == (0, "The worker moves; 1 of its 2 processes hold a job."))
        process.kill()


def test_a_worker_that_is_stopped_is_ill_until_it_goes_on(tmp_path: Path) -> None:
    with worker(tmp_path / "log") as process:
        until(lambda: is_well("worker"))
        with frozen(process):
            until(lambda: is_ill("worker", says="The main process has not moved"))
        until(lambda: is_well("worker", grace=_STRICT))


def test_a_worker_on_a_half_open_connection_is_ill_until_the_broker_answers(
    servers: Address, tmp_path: Path
) -> None:
    target = servers.broker_url.removeprefix("redis+socket://").partition("?")[0]
    with (
        wire_to(target) as (wire, port),
        worker(tmp_path / "log", SPIKEMILL_BROKER_URL=f"redis://127.0.0.1:{port}/0"),
    ):
        until(lambda: is_well("worker", grace=_STRICT))
        with frozen(wire):
            until(lambda: is_ill("worker", says="the broker is away"))
            assert is_well("worker"), "a restart of the broker is shorter than the grace"
        until(lambda: is_well("worker", grace=_STRICT))


@contextmanager
def wire_to(target: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run a wire to a socket, and give its process and its port."""
    command = [sys.executable, str(Path(__file__).with_name("wire_program.py")), target]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as wire:
        assert wire.stdout is not None
        yield wire, wire.stdout.readline().decode().strip()
        wire.kill()


def test_a_worker_that_leaves_messages_lying_is_ill(tmp_path: Path) -> None:
    ledgers.ask("a")
    with worker(tmp_path / "log"):
        until(lambda: is_well("worker"))
        # As if it had been sent, and the worker did not take it.
        ledgers.set_job(ledgers.only(JobKind.PLAN).id, sent_at=func.clock_timestamp() - timedelta(hours=1))
        # Without a sweeper it may be a lost one, which nobody sends again.
        assert check("worker") == _IDLE
        with transaction() as ledger:
            ledger.execute(
                update(LedgerMark).values(heartbeat_at=func.clock_timestamp() + timedelta(hours=1))
            )
        assert check("worker")[1].startswith("Not for long: A message has waited for 36")
        until(lambda: is_ill("worker", says="2 of 2 processes hold no job"))


def test_postgres_may_be_away_for_a_while(tmp_path: Path) -> None:
    away = {"SPIKEMILL_DATABASE_URL": f"postgresql:///none?host={tmp_path}"}
    with worker(tmp_path / "log"):
        until(lambda: is_well("worker"))
        status, line = check("worker", **away)
        assert (status, line.startswith("Not for long: OperationalError")) == (0, True), line
        until(lambda: "OperationalError" in ill("worker", "PT3S", **away))


def test_a_sweeper_that_is_stopped_is_ill_until_it_goes_on(tmp_path: Path) -> None:
    sweeper = start_program("spikemill.services.sweeper", log=tmp_path / "log")
    try:
        until(lambda: is_well("sweeper"))
        assert check("sweeper")[1].startswith("The last round began")
        with frozen(sweeper):
            until(lambda: is_ill("sweeper", says="The main process has not moved"))
        until(lambda: is_well("sweeper", grace=_STRICT))
    finally:
        sweeper.send_signal(signal.SIGTERM)
        sweeper.wait()


def test_a_sweeper_that_moves_is_ill_where_no_round_begins(
    ledger: str, heartbeat_file: Path, tmp_path: Path
) -> None:
    with psycopg.connect(ledger) as other:
        # It waits for its turn, and whoever has the turn does nothing with it.
        other.execute("UPDATE ledger_mark SET heartbeat_at = clock_timestamp() - interval '1 hour'")
        other.execute("SELECT pg_advisory_lock(hashtext('spikemill.sweeper'))")
        other.commit()
        sweeper = start_program("spikemill.services.sweeper", log=tmp_path / "log")
        until(heartbeat_file.exists)
        assert is_ill("sweeper", says="No round has begun for 36")
        sweeper.send_signal(signal.SIGTERM)
        sweeper.wait()


def test_a_check_needs_to_know_what_of() -> None:
    ended = run_program("spikemill.services.common.worker.health", "everything")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "worker|sweeper" in ended.stderr
