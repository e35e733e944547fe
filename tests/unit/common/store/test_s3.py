"""A store of objects: what its server keeps, and what a bad server, connection or key is told as."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from spikemill.services.common.errors import (
    PATIENT,
    CallError,
    StoreAwayError,
    StoreError,
    StoreSettingsError,
    retry_policy,
)
from spikemill.services.common.settings import settings
from spikemill.services.common.store import open_store
from spikemill.services.common.store.base import parse_address
from spikemill.services.common.store.s3 import ObjectStore, connect_store
from tests.environments.foreign_environment import AWS_LOGIN
from tests.servers.s3.server import S3Server, cut, lose, refuse
from tests.unit.common.store.files import NAME, bytes_of, publish

pytestmark = pytest.mark.slow

PART = 5 * 1024 * 1024


def sent(s3: S3Server) -> int:
    """Return how many bytes went up since the last time."""
    return sum(request.sent for request in s3.requests())


def test_the_server_checks_what_it_is_sent(s3: S3Server, s3_prefix: str, objects: ObjectStore) -> None:
    sha256 = publish(objects)
    found = s3.client().head_object(Bucket=s3.bucket, Key=f"{s3_prefix}/{NAME}", ChecksumMode="ENABLED")
    assert found["ChecksumSHA256"]
    s3.requests()
    assert objects.digest(NAME) == sha256
    assert [request.method for request in s3.requests()] == ["HEAD"]


def test_what_stands_there_already_does_not_travel_again(s3: S3Server, objects: ObjectStore) -> None:
    publish(objects, b"x" * 10_000)
    assert sent(s3) == 10_000
    publish(objects, b"x" * 10_000)
    assert sent(s3) == 0


def test_a_large_file_goes_in_parts(s3: S3Server, objects: ObjectStore) -> None:
    content = bytes(range(256)) * 40_000
    store = replace(objects, one_request=PART)
    sha256 = publish(store, content)
    assert [request.method for request in s3.requests()] == ["HEAD", "POST", "PUT", "POST", "HEAD"]
    assert bytes_of(store) == content
    assert store.digest(NAME) == sha256, "no digest of the whole is kept of parts, so they are read"
    assert store.read(NAME, 1_000_000, 3) == content[1_000_000:1_000_003]


def test_what_was_broken_off_in_parts_goes_with_its_folder(
    s3: S3Server, s3_prefix: str, objects: ObjectStore
) -> None:
    client = s3.client()
    key = f"{s3_prefix}/spool/1/copy.nwb"
    upload = client.create_multipart_upload(Bucket=s3.bucket, Key=key)["UploadId"]
    client.upload_part(Bucket=s3.bucket, Key=key, UploadId=upload, PartNumber=1, Body=b"half")
    assert objects.files("spool") == {}
    assert objects.folders("spool") == ["1"]
    objects.remove_folder("spool/1")
    assert objects.folders("spool") == []


def test_a_file_that_does_not_arrive_whole_is_not_left_there(s3: S3Server, objects: ObjectStore) -> None:
    s3.fail(lose(f"PUT .*{NAME}", after=3))
    with pytest.raises(StoreError, match="did not reach the store whole"):
        publish(objects)
    assert [request.method for request in s3.requests()] == ["HEAD", "PUT", "HEAD", "DELETE"]
    assert objects.files("chunks") == {}


def test_the_pile_is_named_by_one_small_object(s3: S3Server, s3_prefix: str, objects: ObjectStore) -> None:
    objects.switch_pile("1" * 64)
    assert s3.names(s3_prefix) == ["/CURRENT.json"]
    current = s3.client().get_object(Bucket=s3.bucket, Key=f"{s3_prefix}/CURRENT.json")["Body"].read()
    assert json.loads(current) == {"pile": f"piles/{'1' * 64}"}


def test_an_answer_that_breaks_off_is_asked_for_again(s3: S3Server, objects: ObjectStore) -> None:
    publish(objects, b"0123456789")
    s3.fail(cut(f"GET .*{NAME}", after=4, times=2))
    assert objects.read(NAME, 0, 10) == b"0123456789"


def test_a_download_that_breaks_off_is_asked_for_again(s3: S3Server, objects: ObjectStore) -> None:
    publish(objects, b"0123456789")
    s3.fail(cut(f"GET .*{NAME}", after=4, times=2))
    assert bytes_of(objects) == b"0123456789"


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        (503, "SlowDown", "asks to wait"),
        (500, "InternalError", "is in trouble"),
        (429, "Busy", "asks to wait"),
    ],
)
def test_a_server_in_trouble_is_waited_for(
    s3: S3Server, objects: ObjectStore, status: int, code: str, told: str
) -> None:
    s3.fail(refuse("GET", status, code, times=99))
    with pytest.raises(StoreAwayError, match=rf"{s3.endpoint}\) {told} \({status} {code}\)") as caught:
        objects.read(NAME, 0, 1)
    assert retry_policy(caught.value) is PATIENT
    s3.fail(refuse("PUT", status, code, times=1))
    assert publish(objects)


def test_a_server_that_is_not_there_is_waited_for(objects: ObjectStore) -> None:
    nobody = connect_store(parse_address(objects.place, "http://127.0.0.1:9"))
    with pytest.raises(StoreAwayError, match=r"127\.0\.0\.1:9.* could not be reached"):
        nobody.files("chunks")


REQUESTS: list[Callable[[ObjectStore], object]] = [
    lambda store: store.pile(),
    lambda store: store.files("chunks"),
    lambda store: store.folders("piles"),
    lambda store: store.digest(NAME),
    lambda store: store.remove(NAME),
    publish,
    bytes_of,
]


@pytest.mark.parametrize("ask", REQUESTS)
@pytest.mark.parametrize("name", ["SPIKEMILL_STORE_SECRET_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY"])
def test_wrong_credentials_are_told_without_being_repeated(
    objects: ObjectStore,
    s3: S3Server,
    monkeypatch: pytest.MonkeyPatch,
    ask: Callable[[ObjectStore], object],
    name: str,
) -> None:
    monkeypatch.setenv("SPIKEMILL_STORE_ACCESS_KEY_ID", s3.key_id if name.startswith("SPIKE") else "")
    monkeypatch.setenv(name, "not-this-one-at-all")
    settings.cache_clear()
    store = connect_store(objects.address)
    with pytest.raises(StoreSettingsError, match=r"denied access with these credentials \(403") as caught:
        ask(store)
    assert isinstance(caught.value, CallError)
    assert "not-this-one-at-all" not in str(caught.value)
    assert s3.key_id not in str(caught.value)


def test_a_store_without_credentials_says_what_to_set(
    objects: ObjectStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(StoreSettingsError, match=r"NoCredentialsError.*SPIKEMILL_STORE_ACCESS_KEY_ID"):
        connect_store(objects.address).pile()


def test_credentials_may_stand_in_the_file_that_aws_reads(
    s3: S3Server, objects: ObjectStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    file = tmp_path / "credentials"
    file.write_text(f"[default]\naws_access_key_id={s3.key_id}\naws_secret_access_key={s3.secret}\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    assert connect_store(objects.address).pile() is None


def test_a_key_of_its_own_asks_nothing_of_a_login_to_aws(
    s3: S3Server, objects: ObjectStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    unreadable = tmp_path / "config"
    unreadable.write_text("[this is no configuration")
    login = {**AWS_LOGIN, "AWS_CONFIG_FILE": str(unreadable), "AWS_SHARED_CREDENTIALS_FILE": str(unreadable)}
    for name, value in login.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SPIKEMILL_STORE_ACCESS_KEY_ID", s3.key_id)
    monkeypatch.setenv("SPIKEMILL_STORE_SECRET_ACCESS_KEY", s3.secret)
    settings.cache_clear()
    store = connect_store(objects.address)
    assert store.pile() is None
    publish(store)
    assert bytes_of(store)


def test_a_profile_that_is_nowhere_is_told_where_it_counts(
    objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "lost")
    with pytest.raises(StoreSettingsError, match=r"ProfileNotFound.*SPIKEMILL_STORE_ACCESS_KEY_ID"):
        connect_store(objects.address)


def test_a_bucket_that_does_not_exist_is_named(s3: S3Server, objects: ObjectStore) -> None:
    store = connect_store(parse_address("s3://no-such-bucket/x", s3.endpoint))
    for ask in (store.pile, lambda: store.files("chunks"), lambda: publish(store)):
        with pytest.raises(StoreSettingsError, match=f"no bucket no-such-bucket at {s3.endpoint}; make it"):
            ask()
    assert objects.pile() is None


def test_one_process_connects_once(s3_prefix: str) -> None:
    assert s3_prefix in open_store().place
    assert open_store() is open_store()
