"""Settings come from the environment."""

import pytest

from services.common.settings import Settings


@pytest.mark.parametrize(("said", "store"), [("/data/store", "/data/store"), ("", None)])
def test_an_empty_variable_is_as_good_as_none(
    said: str, store: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPIKEMILL_STORE", said)
    assert Settings().store == store
