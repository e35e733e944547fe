"""Where a build is pushed to: what the call says, else the settings."""

from collections.abc import Callable

import pytest

from spikemill.services.cli.arguments import named_target, wanted_target
from spikemill.services.common.errors import CallError
from spikemill.services.common.hub_target import HubTarget
from spikemill.services.common.settings import settings

Set = Callable[..., None]


@pytest.fixture
def usual(monkeypatch: pytest.MonkeyPatch) -> Set:
    """Give a function that changes the settings."""
    monkeypatch.delenv("HF_ENDPOINT", raising=False)

    def change(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(f"SPIKEMILL_{name.upper()}", value)
        settings.cache_clear()

    change(push_to="", push_public="", push_revision="")
    return change


def test_without_a_word_nothing_is_pushed(usual: Set) -> None:
    usual()
    assert wanted_target(None, public=None, revision=None) is None


def test_the_settings_say_what_a_call_does_not(usual: Set) -> None:
    usual(push_to="lab/pile", push_public="true", push_revision="next")
    assert wanted_target(None, public=None, revision=None) == HubTarget("lab/pile", "next", private=False)
    assert wanted_target("lab/mine", public=False, revision="main") == HubTarget("lab/mine")
    assert named_target("lab/mine", public=None, revision=None) == HubTarget(
        "lab/mine", "next", private=False
    )


@pytest.mark.parametrize(("public", "revision"), [(True, None), (False, None), (None, "next")])
def test_how_to_push_is_nothing_without_where_to(
    usual: Set, *, public: bool | None, revision: str | None
) -> None:
    usual()
    with pytest.raises(CallError, match="name a dataset with --push"):
        wanted_target(None, public=public, revision=revision)
