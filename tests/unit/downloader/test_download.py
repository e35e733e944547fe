"""Verified copies under every fault that archives and storages are known for."""

import errno
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from dandischema.digests.dandietag import DandiETag

from spikemill.services.common.archives.base import Location
from spikemill.services.common.archives.folder import FilesArchive
from spikemill.services.common.errors import (
    AssetError,
    DamagedDownloadError,
    NetworkError,
    SpikemillError,
    StoreError,
)
from spikemill.services.common.http import web_client
from spikemill.services.common.types import Asset
from spikemill.services.downloader.download import Verified, copy_name, fetch_asset, open_partial
from tests.servers.fault_storage.faults import cut_after, raw, stall_after, status, whole, with_headers
from tests.servers.fault_storage.server import SIGNATURE, Fault, FaultStorage, serve_storage
from tests.servers.noting_limiter import NotingLimiter

DATA = bytes(range(256)) * 2000
HALF = 300_000
SHA256 = hashlib.sha256(DATA).hexdigest()
ASSET = Asset("a-1", "sub-1/sub-1_ses-2.nwb", len(DATA), {"sha256": SHA256})


@dataclass
class OneAddress:
    """An archive whose every asset is had at one address."""

    address: str
    headers: dict[str, str] = field(default_factory=dict)

    def assets(self) -> Iterator[Asset]:
        """List the one asset."""
        yield ASSET

    def locate(self, asset: Asset) -> Location:
        """Give the one address."""
        assert asset.asset_id == ASSET.asset_id
        return Location(self.address, self.headers)

    def resolve(self, asset: Asset) -> Location:
        """Give the same one."""
        return self.locate(asset)


@pytest.fixture
def storage() -> Iterator[FaultStorage]:
    with serve_storage(DATA) as served:
        yield served


def archive(storage: FaultStorage) -> OneAddress:
    return OneAddress(f"http://{storage.host}/api/assets/a-1/download/")


def fetch(storage: FaultStorage, folder: Path, asset: Asset = ASSET) -> Verified:
    return fetch_asset(archive(storage), asset, folder)


def refused(storage: FaultStorage, folder: Path, kind: type[SpikemillError], asset: Asset = ASSET) -> str:
    """Return the text of the refusal, which never holds a signed link, and names the asset."""
    with pytest.raises(kind) as caught:
        fetch(storage, folder, asset)
    text = str(caught.value)
    assert SIGNATURE not in text
    assert "?" not in text
    assert asset.path in text
    return text


def files(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.iterdir()}


NAME = copy_name(ASSET)
PARTIAL = f"{NAME}.partial"


def test_a_copy_is_whole_verified_and_alone(storage: FaultStorage, tmp_path: Path) -> None:
    limiter, told = NotingLimiter(), list[int]()
    folder = tmp_path / "spool" / "session"
    verified = fetch_asset(archive(storage), ASSET, folder, limiter=limiter, progress=told.append)
    assert verified == Verified(folder / NAME, {"sha256": SHA256}, "sha256")
    assert verified.path.read_bytes() == DATA
    assert verified.path.suffix == ".nwb"
    assert files(folder) == {NAME: len(DATA)}
    assert limiter.slots == [storage.host]
    assert sum(told) == len(DATA)


def test_a_copy_that_stands_is_not_fetched_again(storage: FaultStorage, tmp_path: Path) -> None:
    first = fetch(storage, tmp_path)
    assert fetch(storage, tmp_path) == first
    assert storage.bytes_sent == len(DATA)


@pytest.mark.parametrize("damage", [DATA[:-1], b"\1" + DATA[1:]], ids=["short", "wrong"])
def test_a_damaged_copy_is_fetched_again(storage: FaultStorage, tmp_path: Path, damage: bytes) -> None:
    (tmp_path / NAME).write_bytes(damage)
    assert fetch(storage, tmp_path).path.read_bytes() == DATA
    assert storage.ranges == [None]


def test_a_dropped_connection_is_resumed_where_it_broke(storage: FaultStorage, tmp_path: Path) -> None:
    storage.storage_script = [cut_after(HALF)]
    assert "connection broke" in refused(storage, tmp_path, NetworkError)
    assert files(tmp_path)[PARTIAL] == HALF
    assert fetch(storage, tmp_path).path.read_bytes() == DATA
    assert storage.ranges == [None, f"bytes={HALF}-"]
    assert [seen.if_range for seen in storage.seen] == [None, '"first"']
    assert storage.bytes_sent == len(DATA)
    assert files(tmp_path) == {NAME: len(DATA)}


def test_many_drops_still_add_up(storage: FaultStorage, tmp_path: Path) -> None:
    storage.storage_script = [cut_after(100_000) for _ in range(5)]
    for _ in range(5):
        refused(storage, tmp_path, NetworkError)
    assert fetch(storage, tmp_path).path.read_bytes() == DATA
    assert storage.bytes_sent == len(DATA)


def test_a_body_of_unknown_length_that_ends_early_is_resumed(storage: FaultStorage, tmp_path: Path) -> None:
    storage.storage_script = [raw(b'HTTP/1.1 200 OK\r\nETag: "first"\r\n\r\n' + DATA[:HALF])]
    assert f"ended after {HALF} of {len(DATA)} bytes" in refused(storage, tmp_path, NetworkError)
    assert fetch(storage, tmp_path).path.read_bytes() == DATA
    assert storage.ranges == [None, f"bytes={HALF}-"]


def test_a_silent_server_times_out_and_is_resumed(storage: FaultStorage, tmp_path: Path) -> None:
    storage.storage_script = [stall_after(HALF)]
    with web_client(read=0.3) as client, pytest.raises(NetworkError, match="silent for too long"):
        fetch_asset(archive(storage), ASSET, tmp_path, client=client)
    assert files(tmp_path)[PARTIAL] == HALF
    assert fetch(storage, tmp_path).path.read_bytes() == DATA


def interrupted(storage: FaultStorage, folder: Path) -> None:
    storage.storage_script.insert(0, cut_after(HALF))
    refused(storage, folder, NetworkError)


def test_an_object_that_changed_is_fetched_from_its_start(storage: FaultStorage, tmp_path: Path) -> None:
    interrupted(storage, tmp_path)
    storage.etag = '"second"'
    assert fetch(storage, tmp_path).path.read_bytes() == DATA
    assert storage.seen[-1].sent == len(DATA)


def test_a_part_of_a_changed_object_is_not_glued(storage: FaultStorage, tmp_path: Path) -> None:
    interrupted(storage, tmp_path)

    storage.storage_script = [with_headers(ETag='"second"')]
    assert fetch(storage, tmp_path).path.read_bytes() == DATA
    assert storage.ranges == [None, f"bytes={HALF}-", None]


def test_without_an_etag_it_is_resumed_and_checked(storage: FaultStorage, tmp_path: Path) -> None:
    storage.etag = None
    interrupted(storage, tmp_path)
    assert fetch(storage, tmp_path).how == "sha256"
    assert [seen.if_range for seen in storage.seen] == [None, None]
    assert storage.bytes_sent == len(DATA)


def test_a_weak_etag_is_no_condition(storage: FaultStorage, tmp_path: Path) -> None:
    storage.etag = 'W/"first"'
    interrupted(storage, tmp_path)
    fetch(storage, tmp_path)
    assert [seen.if_range for seen in storage.seen] == [None, None]


def test_a_server_that_ignores_the_range_is_read_from_the_start(
    storage: FaultStorage, tmp_path: Path
) -> None:
    interrupted(storage, tmp_path)
    storage.storage_script = [whole]
    assert fetch(storage, tmp_path).path.read_bytes() == DATA
    assert storage.ranges == [None, f"bytes={HALF}-"]


@pytest.mark.parametrize("found", ["bytes 5-9/{size}", "bytes=300000-1/{size}", "", "items 0-1/2"])
def test_a_wrong_content_range_starts_again(storage: FaultStorage, tmp_path: Path, found: str) -> None:
    interrupted(storage, tmp_path)
    header = found.format(size=len(DATA))
    storage.storage_script = [status(206, DATA[HALF:], Content_Range=header)]
    assert fetch(storage, tmp_path).path.read_bytes() == DATA
    assert storage.ranges[-1] is None


def test_a_content_range_of_another_size_is_a_damaged_download(storage: FaultStorage, tmp_path: Path) -> None:
    interrupted(storage, tmp_path)
    storage.storage_script = [status(206, b"x", Content_Range=f"bytes {HALF}-{HALF}/{HALF + 1}")]
    assert str(HALF + 1) in refused(storage, tmp_path, DamagedDownloadError)
    assert files(tmp_path) == {}


def test_a_416_starts_again(storage: FaultStorage, tmp_path: Path) -> None:
    interrupted(storage, tmp_path)
    storage.storage_script = [status(416)]
    assert fetch(storage, tmp_path).path.read_bytes() == DATA
    assert storage.ranges == [None, f"bytes={HALF}-", None]


def test_a_complete_partial_file_is_verified_without_a_request(storage: FaultStorage, tmp_path: Path) -> None:
    (tmp_path / PARTIAL).write_bytes(DATA)
    assert fetch(storage, tmp_path).path.read_bytes() == DATA
    assert storage.api_requests == 0


def test_a_partial_file_that_is_too_long_starts_again(storage: FaultStorage, tmp_path: Path) -> None:
    (tmp_path / PARTIAL).write_bytes(DATA + b"x")
    assert fetch(storage, tmp_path).path.read_bytes() == DATA
    assert storage.ranges == [None]


def test_a_wrong_beginning_is_found_by_hashing_the_whole(storage: FaultStorage, tmp_path: Path) -> None:
    (tmp_path / PARTIAL).write_bytes(b"\xff" * HALF)
    assert "thrown away" in refused(storage, tmp_path, DamagedDownloadError)
    assert files(tmp_path) == {}
    assert fetch(storage, tmp_path).path.read_bytes() == DATA


@pytest.mark.parametrize("size", [len(DATA) - 1, len(DATA) + 1])
def test_an_object_of_another_size_is_refused_at_once(
    storage: FaultStorage, tmp_path: Path, size: int
) -> None:
    asset = replace(ASSET, size=size)
    assert f"lists {size} bytes and sends {len(DATA)}" in refused(
        storage, tmp_path, DamagedDownloadError, asset
    )
    assert files(tmp_path) == {}


def test_a_body_that_goes_on_too_long_is_refused(storage: FaultStorage, tmp_path: Path) -> None:
    storage.storage_script = [raw(b"HTTP/1.1 200 OK\r\n\r\n" + DATA + b"more")]
    assert "sends more" in refused(storage, tmp_path, DamagedDownloadError)
    assert files(tmp_path) == {}


def test_the_best_listed_digest_is_the_one_that_counts(storage: FaultStorage, tmp_path: Path) -> None:
    etag = DandiETag(len(DATA))
    etag.update(DATA)
    md5 = hashlib.md5(DATA, usedforsecurity=False).hexdigest()
    listed = {"md5": md5, "dandi-etag": etag.as_str(), "sha256": SHA256}
    for how in ("sha256", "dandi-etag", "md5"):
        verified = fetch(storage, tmp_path / how, replace(ASSET, digests=dict(listed)))
        assert verified.how == how
        assert verified.digests == {"sha256": SHA256, how: listed[how]}
        wrong = replace(ASSET, digests=listed | {how: "0" * 32})
        refused(storage, tmp_path / f"{how}-wrong", DamagedDownloadError, wrong)
        assert files(tmp_path / f"{how}-wrong") == {}
        del listed[how]


def test_without_a_digest_nothing_is_fetched(storage: FaultStorage, tmp_path: Path) -> None:
    assert "no digest" in refused(storage, tmp_path, AssetError, replace(ASSET, digests={"crc32": "0"}))
    assert storage.api_requests == 0


def test_an_empty_asset_is_an_empty_file(storage: FaultStorage, tmp_path: Path) -> None:
    empty = replace(ASSET, size=0, digests={"sha256": hashlib.sha256(b"").hexdigest()})
    assert fetch(storage, tmp_path, empty).path.read_bytes() == b""


@pytest.mark.parametrize(
    ("fault", "kind", "told"),
    [
        (status(202, x_amzn_waf_action="challenge"), NetworkError, "202 Accepted and not what was asked for"),
        (status(204), NetworkError, "204 No Content"),
        (status(206, Content_Range="bytes 0-1/2"), NetworkError, "206 Partial Content"),
        (status(400), AssetError, "400 Bad Request"),
        (status(401), AssetError, "embargoed or private"),
        (status(403), AssetError, "embargoed or private"),
        (status(404), AssetError, "404 Not Found"),
        (status(410), AssetError, "410 Gone"),
        (status(500), NetworkError, "500 Internal"),
    ],
)
def test_what_the_apis_answer_means(
    storage: FaultStorage, tmp_path: Path, fault: Fault, kind: type[SpikemillError], told: str
) -> None:
    storage.api_script = [fault]
    assert told in refused(storage, tmp_path, kind)
    assert storage.seen == []
    assert NAME not in files(tmp_path)


@pytest.mark.parametrize(
    ("code", "kind", "told"),
    [
        (400, NetworkError, "signed link"),
        (403, NetworkError, "as when it has expired"),
        (404, AssetError, "404 Not Found"),
        (503, NetworkError, "503 Service"),
        (202, NetworkError, "202 Accepted"),
    ],
)
def test_what_the_storages_answer_means(
    storage: FaultStorage, tmp_path: Path, code: int, kind: type[SpikemillError], told: str
) -> None:
    storage.storage_script = [status(code, b"<Code>AccessDenied</Code>")]
    assert told in refused(storage, tmp_path, kind)
    assert NAME not in files(tmp_path)


def test_an_expired_link_keeps_what_has_come(storage: FaultStorage, tmp_path: Path) -> None:
    interrupted(storage, tmp_path)
    storage.storage_script = [status(403)]
    refused(storage, tmp_path, NetworkError)
    assert fetch(storage, tmp_path).path.read_bytes() == DATA
    assert storage.bytes_sent == len(DATA)
    assert storage.api_requests == 3


def test_a_web_page_is_no_recording(storage: FaultStorage, tmp_path: Path) -> None:
    storage.storage_script = [status(200, b"<html>are you human", Content_Type="text/html; charset=utf-8")]
    assert "web page" in refused(storage, tmp_path, NetworkError)


@pytest.mark.parametrize(("header", "seconds"), [("17", 17), ("Fri, 31 Dec 2100 00:00:00 GMT", 86_400)])
def test_a_busy_archive_says_how_long_to_wait(
    storage: FaultStorage, tmp_path: Path, header: str, seconds: float
) -> None:
    storage.api_script = [status(503, Retry_After=header)]
    limiter = NotingLimiter()
    with pytest.raises(NetworkError) as caught:
        fetch_asset(archive(storage), ASSET, tmp_path, limiter=limiter)
    assert caught.value.retry_after == seconds
    assert [host for host, _ in limiter.deferred] == [storage.host]


def test_a_token_is_not_shown_to_the_storage(storage: FaultStorage, tmp_path: Path) -> None:
    address = archive(storage).address
    fetch_asset(OneAddress(address, {"Authorization": "token secret"}), ASSET, tmp_path)
    assert [seen.authorization for seen in storage.seen] == [None]


def test_an_archive_that_is_away_is_a_network_failure(tmp_path: Path) -> None:
    with serve_storage(DATA) as gone:
        pass
    assert "could not be reached" in refused(gone, tmp_path, NetworkError)


def test_two_writers_never_share_a_file(storage: FaultStorage, tmp_path: Path) -> None:
    with open_partial(tmp_path / NAME) as other:
        other.append(b"bytes of another worker")
        assert fetch(storage, tmp_path).path.read_bytes() == DATA
        other.settle()
        assert other.path.read_bytes() == b"bytes of another worker"


def test_a_full_disk_names_the_folder_and_keeps_what_has_come(storage: FaultStorage, tmp_path: Path) -> None:
    arrived: list[int] = []

    def full(block: int) -> None:
        arrived.append(block)
        if sum(arrived) > HALF:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    wanted = f"{tmp_path} cannot be written: the disk is full .{ASSET.path} has {len(DATA)} bytes"
    with pytest.raises(StoreError, match=wanted):
        fetch_asset(archive(storage), ASSET, tmp_path, progress=full)
    assert fetch(storage, tmp_path).path.read_bytes() == DATA
    assert storage.ranges[1] is not None


def test_a_folder_that_cannot_be_made_is_named(storage: FaultStorage, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match=r"file/spool cannot be written: Not a directory"):
        fetch(storage, tmp_path / "file" / "spool")


def test_paths_that_differ_in_case_have_different_copies() -> None:
    names = {copy_name(replace(ASSET, path=path)).lower() for path in ("sub-A/X.NWB", "sub-a/x.nwb")}
    assert len(names) == 2
    assert all(len(copy_name(replace(ASSET, path=f"{'x' * 500}.{ending}"))) < 50 for ending in ("", "y" * 99))


def local(tmp_path: Path, **others: object) -> tuple[FilesArchive, Asset]:
    (tmp_path / "a.nwb").write_bytes(DATA)
    (asset,) = FilesArchive(tmp_path).assets()
    return FilesArchive(tmp_path), replace(asset, **others)  # type: ignore[arg-type]  # any field of it


def test_a_local_file_is_checked_where_it_lies(tmp_path: Path) -> None:
    archive_here, asset = local(tmp_path)
    spool = tmp_path / "spool"
    verified = fetch_asset(archive_here, asset, spool)
    assert verified == Verified(tmp_path / "a.nwb", {"sha256": SHA256}, "size", is_copy=False)
    assert not spool.exists()


def test_a_local_file_of_another_size_is_refused(tmp_path: Path) -> None:
    archive_here, asset = local(tmp_path, size=7)
    with pytest.raises(AssetError, match=rf"a\.nwb has {len(DATA)} bytes and had 7"):
        fetch_asset(archive_here, asset, tmp_path)


def test_a_local_file_with_another_digest_is_refused(tmp_path: Path) -> None:
    archive_here, asset = local(tmp_path, digests={"sha256": "0"})
    with pytest.raises(AssetError, match="was listed as 0"):
        fetch_asset(archive_here, asset, tmp_path)


def test_a_local_file_that_is_being_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive_here, asset = local(tmp_path)

    def write_meanwhile(path: Path, _: str | None) -> dict[str, str]:
        path.write_bytes(DATA[::-1])
        os.utime(path, ns=(1, 1))
        return {"sha256": "0"}

    monkeypatch.setattr("spikemill.services.downloader.download._digests_of", write_meanwhile)
    with pytest.raises(AssetError, match="changed while it was read"):
        fetch_asset(archive_here, asset, tmp_path)
