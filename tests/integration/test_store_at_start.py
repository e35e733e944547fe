"""A service with a wrong store ends at once, with one line that says what to do."""

import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from spikemill.services.common.settings import settings
from spikemill.services.common.store import open_store
from spikemill.services.common.store.ownership import own_store, require_store
from tests.integration.celery_workers import until, worker
from tests.servers.s3.server import S3Server

WRONG = "not-this-one-at-all"
SWEEPER = [sys.executable, "-m", "spikemill.services.sweeper"]


@pytest.fixture(autouse=True)
def _places(s3_prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the test a store in a bucket."""
    assert s3_prefix
    monkeypatch.setenv("SPIKEMILL_SWEEP", "PT0.05S")


def test_a_worker_with_wrong_credentials_does_not_start(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    with worker(log, AWS_SECRET_ACCESS_KEY=WRONG) as process:
        until(lambda: process.poll() is not None)
    assert process.returncode == 2
    *_, line = log.read_text().splitlines()
    assert "denied access with these credentials (403 SignatureDoesNotMatch)" in line
    assert "Traceback" not in log.read_text()
    assert WRONG not in log.read_text()


def test_a_worker_of_another_ledger_does_not_start(tmp_path: Path) -> None:
    other = uuid4()
    open_store().assert_owner(other)
    log = tmp_path / "worker.log"
    with worker(log) as process:
        until(lambda: process.poll() is not None)
    assert process.returncode == 2
    assert f"belongs to another ledger ({other})" in log.read_text()


def test_a_worker_with_its_store_starts_and_marks_it(tmp_path: Path, s3: S3Server, s3_prefix: str) -> None:
    log = tmp_path / "worker.log"
    with worker(log):
        until(lambda: " ready." in log.read_text())
    assert s3.names(s3_prefix) == ["/ledger-id"]
    own_store()


def test_a_sweeper_without_its_bucket_does_not_start(s3: S3Server) -> None:
    ended = subprocess.run(
        SWEEPER,
        env={**os.environ, "SPIKEMILL_STORE": "s3://no-such-bucket/x"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert f"There is no bucket no-such-bucket at {s3.endpoint}; make it" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_store_that_is_away_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SPIKEMILL_STORE_ENDPOINT", "http://127.0.0.1:9")
    settings.cache_clear()
    require_store()
    assert "could not be reached" in caplog.text
