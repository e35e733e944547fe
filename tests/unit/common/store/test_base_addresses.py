"""How a store is named, and what is no name of one."""

from pathlib import Path

import pytest

from spikemill.services.common.errors import CallError
from spikemill.services.common.settings import settings
from spikemill.services.common.store import FolderStore, open_store
from spikemill.services.common.store.base import ObjectAddress, parse_address


@pytest.mark.parametrize(
    ("text", "bucket", "prefix"),
    [
        ("s3://lab-store/piles/rodent", "lab-store", "piles/rodent"),
        ("s3://lab-store/rodent/", "lab-store", "rodent"),
        ("s3://lab-store", "lab-store", ""),
        ("s3://lab-store/", "lab-store", ""),
    ],
)
def test_an_address_is_a_bucket_and_a_prefix(text: str, bucket: str, prefix: str) -> None:
    address = parse_address(text, None)
    assert address == ObjectAddress(bucket, prefix)
    assert str(address) == text.removesuffix("/")
    key = address.key("chunks/a")
    assert key == f"{prefix}/chunks/a".removeprefix("/")
    assert address.name(key) == "chunks/a"


@pytest.mark.parametrize(
    "text",
    [
        "s3://",
        "s3://a/b",
        "s3://key:secret@lab-store/rodent",
        "s3://lab-store/../other",
        "s3://lab-store//rodent",
        "s3://lab-store/ro dent",
        "s3://lab-store/rodent?x=1",
    ],
)
def test_what_is_no_address_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(CallError, match="write an object store as s3://bucket/prefix") as caught:
        parse_address(text, None)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("endpoint", ["https://store.example:9000", "http://127.0.0.1:9000/"])
def test_a_server_is_a_host_and_a_port(endpoint: str) -> None:
    assert parse_address("s3://lab-store/x", endpoint).endpoint == endpoint.removesuffix("/")


@pytest.mark.parametrize(
    "endpoint", ["store.example", "ftp://store.example", "https://me:secret@store.example", "https://a/b"]
)
def test_what_is_no_server_is_refused_and_not_repeated(endpoint: str) -> None:
    with pytest.raises(CallError, match="as https://host:port") as caught:
        parse_address("s3://lab-store/x", endpoint)
    assert "secret" not in str(caught.value)


def test_other_addresses_are_no_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIKEMILL_STORE", "gs://lab-store/x")
    settings.cache_clear()
    with pytest.raises(CallError, match=r"gs://\.\.\.: a store is a folder, or s3://bucket/prefix"):
        open_store()
    monkeypatch.setenv("SPIKEMILL_STORE", "/store")
    settings.cache_clear()
    assert open_store() == FolderStore(Path("/store"))
    settings.cache_clear()
