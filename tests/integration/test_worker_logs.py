"""What real processes write: a line for each event, with what it is about, and never a secret."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from celery import Celery

from spikemill.services.common.models import JobKind
from spikemill.services.sweeper.__main__ import Sweeper
from tests.integration import ledgers
from tests.integration.celery_workers import until, worker

_WORD = "an-unusual-word"
# Celery says it past all logging when it is told to stop.
_LAST_WORDS = "worker: Warm shutdown (MainProcess)"


def lines_of(app: Celery, how: str, log: Path, form: str) -> list[str]:
    """Let a real worker fail once in the way that a source's name says; return the lines it wrote."""
    ledgers.ask(sources=[replace(ledgers.source(how), config={"failures": 1})])
    Sweeper(app).round()
    with worker(log, SPIKEMILL_LOG_FORMAT=form, SPIKEMILL_READER_PASSWORD=_WORD):
        until(lambda: ledgers.only(JobKind.PLAN).failures)
    return [line for line in log.read_text().splitlines() if line and line != _LAST_WORDS]


def test_as_json_every_event_is_an_object_that_says_what_it_is_about(app: Celery, tmp_path: Path) -> None:
    events = [json.loads(line) for line in lines_of(app, "defect", tmp_path / "log", "json")]
    assert all({"timestamp", "level", "logger", "message"} <= event.keys() for event in events)
    assert all(datetime.fromisoformat(event["timestamp"]).tzinfo for event in events)
    job = ledgers.only(JobKind.PLAN).id
    [failure] = [event for event in events if event["logger"] == "spikemill.services.common.worker.runner"]
    about = {"build": 1, "pile": "pile", "source": "defect", "job": job, "kind": "plan", "attempt": 1}
    assert {name: failure.get(name) for name in about} == about
    assert failure["message"] == "ZeroDivisionError: ZeroDivisionError"
    assert failure["traceback"].startswith("Traceback (most recent call last):\n")
    [received] = [event for event in events if event["message"].endswith("received")]
    assert (received["task"], received["about"]) == ("spikemill.plan", f"defect · job {job}")


def test_for_people_every_event_is_a_line_too(app: Celery, tmp_path: Path) -> None:
    lines = lines_of(app, "defect", tmp_path / "log", "text")
    assert all(datetime.fromisoformat(line.split(" ", 1)[0]) for line in lines)
    [failure] = [line for line in lines if " spikemill.services.common.worker.runner: " in line]
    job = ledgers.only(JobKind.PLAN).id
    assert f"[build=1 pile=pile source=defect job={job} kind=plan attempt=1] | Traceback" in failure


@pytest.mark.parametrize("form", ["json", "text"])
def test_an_error_full_of_secrets_leaves_none_in_log_and_ledger(
    form: str, app: Celery, tmp_path: Path
) -> None:
    written = "\n".join(lines_of(app, "indiscreet", tmp_path / "log", form))
    for text in (written, ledgers.only(JobKind.PLAN).error or ""):
        assert "postgresql://host/name does not know ***" in text
        assert "https://storage/blob asked for with {'Authorization': '***'}" in text
        assert not any(secret in text for secret in (_WORD, "0a1b2c", "abcdefghijkl"))


def test_a_process_that_cannot_begin_says_why_in_one_line() -> None:
    ended = run("-m", "spikemill.services.sweeper", SPIKEMILL_SWEEP="soon")
    assert ended.returncode == 1
    [line] = ended.stderr.splitlines()
    assert "SPIKEMILL_SWEEP=soon: write a duration as in PT30S" in line
    assert "Traceback" not in line


def test_what_ends_a_process_unforeseen_is_an_event_with_its_traceback() -> None:
    program = "from spikemill.services.common.logs import configure_logging as begin; begin(); 1 / 0"
    ended = run("-c", program, SPIKEMILL_LOG_FORMAT="json")
    assert ended.returncode == 1
    event = json.loads(ended.stderr)
    assert (event["level"], event["message"]) == ("CRITICAL", "ZeroDivisionError: division by zero")
    assert event["traceback"].startswith("Traceback")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python to its end."""
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
