"""What is said of a push."""

import pytest

from spikemill.services.cli.push import going_on_told, preview_lines, pushed_lines
from spikemill.services.common.errors import NetworkError
from spikemill.services.common.hub_target import HubTarget
from spikemill.services.merger.hub.push import Pushed
from spikemill.services.merger.hub.repository import Difference

TARGET = HubTarget("lab/pile", endpoint="http://hub")


def pushed(*, is_new: bool) -> Pushed:
    return Pushed(
        commit="c0ffee",
        url="unused",
        tag="release-1",
        is_new=is_new,
        uploaded_shards=1,
        uploaded_bytes=2_000_000,
        kept_shards=7,
        deleted=2,
    )


def test_a_push_says_what_travelled_and_where_it_is_to_be_seen() -> None:
    assert list(pushed_lines(pushed(is_new=True), TARGET)) == [
        (
            "lab/pile at http://hub is this pile now: 1 shard sent, 7 there already, 2 files deleted; "
            "2.0 MB travelled."
        ),
        "http://hub/datasets/lab/pile/commit/c0ffee",
    ]


def test_a_push_that_changed_nothing_says_so() -> None:
    assert list(pushed_lines(pushed(is_new=False), TARGET)) == [
        "Nothing to do: lab/pile at http://hub is this pile already.",
        "http://hub/datasets/lab/pile/commit/c0ffee",
    ]


def test_a_preview_names_every_file_and_the_bytes_that_would_travel() -> None:
    found = Difference(
        uploaded={"data/a": 3_000, "README.md": 500},
        kept={"data/b": 1_000},
        deleted={"data/c": 10},
        drawn=("pictures/m.png",),
    )
    assert list(preview_lines(found, TARGET, has_token=True)) == [
        "send    data/a (3.0 kB)",
        "send    README.md (500 B)",
        "draw    pictures/m.png",
        "delete  data/c (10 B)",
        "keep    data/b (1.0 kB)",
        "No more than 3.5 kB would travel to lab/pile at http://hub, and the pictures. Nothing was changed.",
    ]


def test_a_preview_without_a_token_says_that_it_may_not_see_all() -> None:
    *_, last = preview_lines(Difference(uploaded={"data/a": 3_000}), TARGET, has_token=False)
    assert last.endswith("and the pictures, as far as can be seen without a token. Nothing was changed.")


def test_a_preview_of_nothing_says_so() -> None:
    assert list(preview_lines(Difference(kept={"data/b": 1}), TARGET, has_token=False)) == [
        "Nothing would change: lab/pile at http://hub is this pile already."
    ]


def test_a_push_that_may_go_better_soon_says_how_it_goes_on() -> None:
    with pytest.raises(NetworkError) as told, going_on_told():
        raise NetworkError("The hub is away.", retry_after=5)
    assert str(told.value) == "The hub is away. Run the same push again; it goes on where it was."
    assert told.value.retry_after == 5
