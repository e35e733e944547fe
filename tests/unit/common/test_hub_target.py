"""Where a pile may be published, and which piles may be."""

import pytest

from spikemill.services.common.errors import CallError
from spikemill.services.common.hub_target import WITHOUT_PUSH, HubTarget, hub_target, require_redistributable


def test_a_target_is_private_on_the_main_branch_of_the_public_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "")
    target = hub_target("lab/pile")
    assert target == HubTarget("lab/pile", "main", private=True, endpoint="https://huggingface.co")
    assert str(target) == "lab/pile"


def test_another_hub_is_that_of_whoever_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.lab:8000/")
    target = hub_target("lab/pile", revision="next", private=False)
    assert target.address_of("c0ffee") == "http://hub.lab:8000/datasets/lab/pile/commit/c0ffee"
    assert str(target) == "lab/pile@next"


@pytest.mark.parametrize(
    "repository",
    [
        "pile",
        "a/b/c",
        "lab/",
        "/pile",
        "lab/a--b",
        "lab/a..b",
        "lab/pile.git",
        "lab/ä",
        "lab/a b",
        "-lab/pile",
    ],
)
def test_what_is_no_repository_is_refused(repository: str) -> None:
    with pytest.raises(CallError, match="is not a repository of the hub"):
        hub_target(repository)


@pytest.mark.parametrize("revision", ["", "-x", "a b", "a..b", "a/", "a.", "main\n", "/a", "ä"])
def test_what_is_no_branch_is_refused(revision: str) -> None:
    with pytest.raises(CallError, match="is not a branch"):
        hub_target("lab/pile", revision=revision)


@pytest.mark.parametrize("revision", ["main", "v1.0", "refs/pr/1", "a_b-c"])
def test_branches_of_usual_names_are_taken(revision: str) -> None:
    assert hub_target("lab/pile", revision=revision).revision == revision


def test_a_source_that_does_not_say_so_may_not_be_published() -> None:
    require_redistributable([{"name": "a", "redistributable": True}])
    with pytest.raises(CallError, match=r"^b, c: the catalogue does not say redistributable = true"):
        require_redistributable(
            [{"name": "c"}, {"name": "a", "redistributable": True}, {"name": "b", "redistributable": False}]
        )


def test_only_who_asks_for_a_build_is_told_to_leave_out_the_push() -> None:
    kept = [{"name": "a", "redistributable": False}]
    with pytest.raises(CallError, match=r"if its licence allows it, and build again\.$"):
        require_redistributable(kept)
    with pytest.raises(CallError, match=r"build again\. .* leave out --push \(or SPIKEMILL_PUSH_TO\)\.$"):
        require_redistributable(kept, otherwise=WITHOUT_PUSH)
