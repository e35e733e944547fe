"""A pile as a dataset of the Hugging Face hub: content-addressed uploads, then one commit, then its tag."""

from services.merger.hub.client import has_token
from services.merger.hub.difference import Difference
from services.merger.hub.patience import PATIENCE, Patience
from services.merger.hub.pile_files import PileFiles, StoredPile, pile_in_folder
from services.merger.hub.progress import Progress, ShardStep, Silent
from services.merger.hub.publication import Pushed
from services.merger.hub.push import preview, push
from services.merger.provenance import release_tag

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
