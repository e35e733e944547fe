"""The way to Postgres."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine

from spikemill.services.common import database
from spikemill.services.common.database import engine
from spikemill.services.common.errors import CallError
from spikemill.services.common.settings import settings


@pytest.fixture
def no_address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Set an address that is none."""
    text = "somewhere secret"
    monkeypatch.setenv("SPIKEMILL_DATABASE_URL", text)
    settings.cache_clear()
    yield text
    settings.cache_clear()


def test_what_is_no_address_is_refused_by_name(no_address: str) -> None:
    with pytest.raises(CallError, match="SPIKEMILL_DATABASE_URL: write it as") as refused:
        engine()
    assert no_address not in str(refused.value)


def test_threads_that_ask_at_once_share_one_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIKEMILL_DATABASE_URL", "postgresql://nobody@host/asked-for-at-once")
    settings.cache_clear()
    settings()
    both = Barrier(2)

    def made_by_both(*given: Any, **options: Any) -> Engine:
        both.wait()
        return create_engine(*given, **options)

    monkeypatch.setattr(database, "create_engine", made_by_both)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: engine(), range(2))
    assert first is second
    settings.cache_clear()
