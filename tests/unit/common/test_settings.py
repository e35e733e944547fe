"""Settings come from the environment; a wrong one is told by its name."""

import pytest

from spikemill.services.common.errors import CallError
from spikemill.services.common.settings import Settings, settings


@pytest.mark.parametrize(("said", "store"), [("/data/store", "/data/store"), ("", None)])
def test_an_empty_variable_is_as_good_as_none(
    said: str, store: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPIKEMILL_STORE", said)
    assert Settings().store == store


def mistakes(monkeypatch: pytest.MonkeyPatch, **said: str) -> list[str]:
    """Return what is said of wrong settings, line by line."""
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    with pytest.raises(CallError) as refused:
        settings()
    return str(refused.value).splitlines()


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("SPIKEMILL_LEASE", "30", "PT30S"),
        ("SPIKEMILL_SWEEP", "PT0S", "greater than 0"),
        ("SPIKEMILL_SPOOL_BYTES", "200 GB", "a valid integer"),
        ("SPIKEMILL_REQUESTS_PER_MINUTE", "0", "greater than 0"),
    ],
)
def test_a_wrong_setting_is_named_with_its_remedy(
    name: str, value: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    [line] = mistakes(monkeypatch, **{name: value})
    assert line.startswith(f"{name}=")
    assert remedy in line


def test_every_wrong_setting_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = mistakes(monkeypatch, SPIKEMILL_LEASE="soon", SPIKEMILL_WINDOW="wide")
    assert [line.partition("=")[0] for line in lines] == ["SPIKEMILL_LEASE", "SPIKEMILL_WINDOW"]
