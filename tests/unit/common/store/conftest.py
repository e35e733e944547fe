"""Both kinds of store, empty."""

from pathlib import Path

import pytest

from spikemill.services.common.store import FolderStore, Store, open_store
from spikemill.services.common.store.base import parse_address
from spikemill.services.common.store.s3 import ObjectStore, connect_store
from tests.servers.s3.server import S3Server


@pytest.fixture(params=["folder", "objects"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Give an empty store."""
    if request.param == "folder":
        return FolderStore(tmp_path / "store")
    request.getfixturevalue("s3_prefix")
    return open_store()


@pytest.fixture
def objects(s3: S3Server, s3_prefix: str) -> ObjectStore:
    """Give an empty store of objects, and forget what was asked of its server before."""
    found = connect_store(parse_address(f"s3://{s3.bucket}/{s3_prefix}", s3.endpoint))
    s3.requests()
    return found
