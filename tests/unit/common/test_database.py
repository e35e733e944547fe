"""The way to Postgres."""

from collections.abc import Iterator

import pytest

from services.common.database import engine
from services.common.errors import CallError
from services.common.settings import settings


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
