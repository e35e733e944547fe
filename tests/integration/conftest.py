"""Every test here has a ledger of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery

from spikemill.services.common.settings import settings
from spikemill.services.common.worker.app import create_app
from tests.integration.celery_workers import broker


@pytest.fixture(autouse=True)
def _with_ledger(ledger: str) -> None:
    """Give the test its ledger."""


@pytest.fixture
def places(ledger: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the test a store, a spool, and a quick sweeper."""
    assert ledger
    monkeypatch.setenv("SPIKEMILL_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("SPIKEMILL_SPOOL", str(tmp_path / "spool"))
    monkeypatch.setenv("SPIKEMILL_SWEEP", "PT0.05S")
    settings.cache_clear()


@pytest.fixture
def app(places: None) -> Iterator[Celery]:
    """Give the application, with a broker that remembers nothing."""
    del places
    app = create_app()
    broker(app, "flushdb")
    yield app
    broker(app, "flushdb")
    app.close()
