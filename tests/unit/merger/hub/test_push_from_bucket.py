"""A pile that stands in a bucket: what is read of it for a push."""

from collections import Counter
from pathlib import Path

import pytest

from spikemill.services.common.errors import SupersededError
from spikemill.services.common.hub_target import HubTarget
from spikemill.services.common.store.base import parse_address
from spikemill.services.common.store.s3 import connect_store
from spikemill.services.merger.hub.push import push
from spikemill.services.merger.provenance import StoredPile
from tests.servers.s3.server import S3Server
from tests.unit.merger.hub.datasets import HASTY, Dataset, Steps

pytestmark = pytest.mark.slow


@pytest.fixture
def stored(published: StoredPile, pile: Path, s3: S3Server, s3_prefix: str) -> StoredPile:
    """The pile, brought to a bucket."""
    store = connect_store(parse_address(f"s3://{s3.bucket}/{s3_prefix}", s3.endpoint))
    papers = ("provenance.jsonl", "README.md")
    folder = f"piles/{published.provenance_sha256}"
    for name in (*papers, *(shard.name for shard in published.provenance.pile.shards)):
        s3.client().upload_file(str(pile / name), s3.bucket, f"{s3_prefix}/{folder}/{name}")
    s3.requests()
    return StoredPile(store, folder)


def read_shards(s3: S3Server) -> Counter[str]:
    """Return how often each shard was read since the last time."""
    read = [request.path for request in s3.requests() if request.method == "GET"]
    return Counter(f"data/{path.rpartition('/data/')[2]}" for path in read if "/data/" in path)


def test_a_pile_of_a_bucket_is_pushed_and_what_the_hub_shows_is_not_read_again(
    stored: StoredPile, target: HubTarget, dataset: Dataset, s3: S3Server
) -> None:
    push(stored, target, backoff=HASTY)

    dataset.require(stored)
    names = {shard.name for shard in stored.provenance.pile.shards}
    assert set(read_shards(s3)) == names

    again = push(StoredPile(stored.store, stored.folder), target, backoff=HASTY)

    assert again.kept_shards == len(names)
    assert not read_shards(s3)


def test_what_an_interrupted_push_brought_to_the_hub_is_not_read_again_but_for_pictures(
    stored: StoredPile, target: HubTarget, dataset: Dataset, s3: S3Server
) -> None:
    class Withdrawn(Steps):
        def about_to_commit(self) -> None:
            raise SupersededError("Job 1 was withdrawn.")

    with pytest.raises(SupersededError):
        push(stored, target, progress=Withdrawn(), backoff=HASTY)
    names = {shard.name for shard in stored.provenance.pile.shards}
    assert set(read_shards(s3)) == names

    done = push(StoredPile(stored.store, stored.folder), target, backoff=HASTY)

    dataset.require(stored)
    assert (done.uploaded_shards, done.kept_shards) == (0, len(names))
    assert set(read_shards(s3)) < names
