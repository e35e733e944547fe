"""Real processes in a shell whose variables would lead the libraries elsewhere."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from celery import Celery

from tests.environments.foreign_environment import EVERYTHING, LIBPQ
from tests.integration.celery_workers import broker, until
from tests.servers.s3.server import S3Server

_SPIKEMILL = str(Path(sys.executable).with_name("spikemill"))
_NAMED = "PGCHANNELBINDING"


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


def module(name: str, *arguments: str) -> Sequence[str]:
    return [sys.executable, "-m", name, *arguments]


@contextmanager
def running(command: Sequence[str], log: Path, **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a service beside the block among foreign variables; told to stop, it must end well."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env={**os.environ, **EVERYTHING, **environment}, stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        process.terminate()
        status = process.wait()
    assert status == 0, log.read_text()


def naming(text: str) -> list[str]:
    return [line for line in text.splitlines() if _NAMED in line]


def test_the_command_finds_its_ledger_whatever_libpq_is_told() -> None:
    plain = run(_SPIKEMILL, "status", "--json")
    asked = run(_SPIKEMILL, "status", "--json", **LIBPQ)
    assert (asked.returncode, asked.stdout) == (plain.returncode, plain.stdout), asked
    [line] = naming(asked.stderr)
    assert line.endswith("its own setting is SPIKEMILL_DATABASE_URL.")


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_name_nothing(option: str) -> None:
    asked = run(_SPIKEMILL, option, **EVERYTHING)
    assert (asked.returncode, asked.stderr) == (0, "")


def test_migrations_find_their_ledger_and_name_the_variables_in_their_log() -> None:
    ended = run(*module("spikemill.services.common.migrate"), **EVERYTHING, SPIKEMILL_LOG_FORMAT="json")
    assert ended.returncode == 0, ended
    events = [json.loads(line) for line in ended.stderr.splitlines()]
    [named] = [event for event in events if _NAMED in event["message"]]
    assert named["level"] == "WARNING"
    assert named["message"].endswith("SPIKEMILL_BROKER_URL and SPIKEMILL_DATABASE_URL.")


def test_a_health_check_that_is_made_every_half_minute_names_nothing(tmp_path: Path) -> None:
    file = str(tmp_path / "heartbeat")
    ended = run(
        *module("spikemill.services.common.worker.health", "sweeper"),
        **EVERYTHING,
        SPIKEMILL_HEARTBEAT_FILE=file,
    )
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "There is no heartbeat" in ended.stdout


def test_a_sweeper_keeps_its_ledger_its_broker_and_its_store(
    app: Celery, s3: S3Server, s3_prefix: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    own = {"SPIKEMILL_STORE_ACCESS_KEY_ID": s3.key_id, "SPIKEMILL_STORE_SECRET_ACCESS_KEY": s3.secret}
    with running(module("spikemill.services.sweeper"), log, **own):
        until(lambda: broker(app, "get", "spikemill:epoch"))
        assert "ledger-id" in s3.names(f"{s3_prefix}/")
    [line] = naming(log.read_text())
    assert "AWS_ENDPOINT_URL_S3" in line
    assert line.endswith("SPIKEMILL_BROKER_URL, SPIKEMILL_DATABASE_URL and SPIKEMILL_STORE_ENDPOINT.")


def test_a_worker_keeps_its_broker_and_its_way_to_stop(app: Celery, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with running(module("spikemill.services.common.worker", "merger"), log):
        until(lambda: app.control.ping(timeout=0.5))
    assert len(naming(log.read_text())) == 1


def test_flower_keeps_its_broker_and_its_door(app: Celery, tmp_path: Path) -> None:
    log = tmp_path / "log"
    flower = {"SPIKEMILL_FLOWER_PASSWORD": "a-word-for-flower", "SPIKEMILL_FLOWER_PORT": "0"}
    present = listeners(app)
    with running(module("spikemill.services.flower"), log, **flower):
        until(lambda: "Flower at http" in log.read_text())
        until(lambda: listeners(app) > present)
    [line] = naming(log.read_text())
    assert "FLOWER_UNAUTHENTICATED_API" in line
    assert "SPIKEMILL_FLOWER_PASSWORD" in line


def listeners(app: Celery) -> int:
    """Return how many connections wait at the broker for what workers tell of themselves."""
    clients: list[dict[str, str]] = broker(app, "client_list")
    return sum(client["cmd"] in ("brpop", "psubscribe") for client in clients)


def test_a_program_that_imports_our_modules_keeps_its_environment() -> None:
    program = "import os, spikemill.services.merger.shards as _; print(os.environ['PGHOSTADDR'])"
    assert run(sys.executable, "-c", program, PGHOSTADDR="::1").stdout == "::1\n"
