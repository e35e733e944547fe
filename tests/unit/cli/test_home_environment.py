"""Settings that a command decides are seen at once, and forgotten at the end."""

import os

import pytest

from spikemill.services.cli.home import decide, decided_for_now
from spikemill.services.common.settings import settings


def test_what_was_decided_is_forgotten_and_what_stood_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIKEMILL_CATALOG", "rodent")
    monkeypatch.delenv("SPIKEMILL_STORE", raising=False)
    settings.cache_clear()
    with decided_for_now():
        decide(catalog="demo", store="/somewhere")
        assert (settings().catalog, settings().store) == ("demo", "/somewhere")
        assert os.environ["SPIKEMILL_STORE"] == "/somewhere"
    assert (settings().catalog, settings().store) == ("rodent", None)
    assert "SPIKEMILL_STORE" not in os.environ
    monkeypatch.undo()
    settings.cache_clear()
