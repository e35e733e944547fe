"""A pile as a dataset of the Hugging Face hub: content-addressed uploads, then one commit, then its tag."""

from spikemill.services.merger.hub.client import PATIENCE, Patience, has_token
from spikemill.services.merger.hub.pile_files import PileFiles, StoredPile, pile_in_folder
from spikemill.services.merger.hub.push import Pushed, preview, push
from spikemill.services.merger.hub.repository import Difference
from spikemill.services.merger.hub.upload import Progress, ShardStep, Silent
from spikemill.services.merger.provenance import release_tag

__all__ = [
    "PATIENCE",
    "Difference",
    "Patience",
    "PileFiles",
    "Progress",
    "Pushed",
    "ShardStep",
    "Silent",
    "StoredPile",
    "has_token",
    "pile_in_folder",
    "preview",
    "push",
    "release_tag",
]
