"""The metadata of a card, as the made-up hub looks at it."""

import pytest
from huggingface_hub import HfApi

from standins.hub.kinds import Kind
from standins.hub.server import HubServer
from tests.unit.standins.hub.calls import commit, files

GOOD = """---
pretty_name: Spikes
license: [cc-by-4.0, cc0-1.0]
size_categories: [10K<n<100K]
tags: [neuroscience]
configs:
- config_name: default
  data_files:
  - {split: train, path: data/train-*}
dataset_info:
  splits: [{name: train, num_examples: 3}]
---
# Spikes
"""


def test_a_good_card_is_taken(api: HfApi) -> None:
    commit(api, {"README.md": GOOD.encode()})
    assert files(api).keys() == {"README.md"}


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("tags: [neuroscience]", "tags: [neuroscience", "YAML Metadata Error"),
        ("tags: [neuroscience]", "tags: neuroscience", '"tags" must be an array'),
        ("10K<n<100K", "10K", '"size_categories" has no category 10K'),
        ("config_name: default", "name: default", '"configs" needs a "config_name"'),
        ("[cc-by-4.0, cc0-1.0]", "{a: b}", '"license" must be'),
        ("pretty_name: Spikes", "pretty_name: [Spikes]", '"pretty_name" must be'),
        (GOOD, "---\n- a list\n---\n", "must be a mapping"),
    ],
)
def test_a_wrong_card_is_refused(api: HfApi, hub: HubServer, right: str, wrong: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        commit(api, {"README.md": GOOD.replace(right, wrong).encode()})
    assert not hub.requests(Kind.COMMIT)


def test_a_card_without_metadata_is_warned_of(api: HfApi) -> None:
    with pytest.warns(UserWarning, match="empty or missing yaml metadata"):
        commit(api, {"README.md": b"# Spikes\n"})
    assert files(api).keys() == {"README.md"}
