"""The sentences that say how far a build is."""

from typing import Any

import pytest

from spikemill.services.cli.watch import merge_state
from spikemill.services.common.hub_target import HubTarget
from tests.unit.cli.conftest import TakeSnapshot

_HUB: dict[str, Any] = {"hub": HubTarget("lab/pile", endpoint="http://hub")}


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ({}, None),
        ({"release_state": "frozen", "shards": 3, "shards_done": 1}, "merging: 1 of 3 shards written"),
        (
            {"release_state": "frozen", "shards": 1, "shards_done": 1},
            "merging: 1 shard written, the pile is read once more",
        ),
        (_HUB | {"release_state": "published", "shards": 3}, "pushing to lab/pile"),
        (
            _HUB | {"release_state": "published", "shards": 3, "hub_shards": 2},
            "pushing to lab/pile: 2 of 3 shards are there",
        ),
        (_HUB | {"release_state": "published", "state": "released", "hub_commit": "c0ffee"}, None),
    ],
)
def test_the_end_of_a_build_is_told_step_by_step(
    take_snapshot: TakeSnapshot, status: dict[str, Any], sentence: str | None
) -> None:
    assert merge_state(take_snapshot(status=status)) == sentence
