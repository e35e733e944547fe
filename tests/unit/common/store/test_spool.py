"""The spool: what was verified where it was fetched is the same where it is binned."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from spikemill.services.common.errors import DamagedDownloadError, DamagedOutputError
from spikemill.services.common.settings import settings
from spikemill.services.common.store import open_store
from spikemill.services.common.store.spool import Copy, Spool, open_spool
from tests.servers.s3.server import S3Server

CONTENT = b"recording"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SESSION = "f" * 64


@pytest.fixture(params=["folder", "objects"])
def spool(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Spool]:
    """Give an empty spool."""
    if request.param == "folder":
        monkeypatch.setenv("SPIKEMILL_SPOOL", str(tmp_path / "spool"))
        settings.cache_clear()
    else:
        request.getfixturevalue("s3_prefix")
    yield open_spool()
    settings.cache_clear()


def fetched(spool: Spool, name: str = "copy.nwb") -> Copy:
    """Bring a copy into the spool as the downloader does."""
    path = spool.staging_dir(SESSION) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(CONTENT)
    place = spool.publish(SESSION, path, sha256=SHA256, size=len(CONTENT))
    spool.discard_local(path)
    return Copy(f"sub-1/{name}", place, SHA256)


def test_copies_are_opened_in_their_order(spool: Spool) -> None:
    copies = [fetched(spool, "b.nwb"), fetched(spool, "a.nwb")]
    with spool.opened(copies) as paths:
        assert [path.name for path in paths] == ["b.nwb", "a.nwb"]
        assert [path.read_bytes() for path in paths] == [CONTENT, CONTENT]
    assert spool.sessions() == [SESSION]


def test_copies_go_with_their_session(spool: Spool) -> None:
    copy = fetched(spool)
    spool.remove(SESSION)
    spool.remove(SESSION)
    assert spool.sessions() == []
    with pytest.raises(DamagedOutputError, match=r"sub-1/copy\.nwb was there and is gone"):
        spool.opened([copy]).__enter__()


def test_a_file_that_is_read_where_it_lies_is_opened_there(spool: Spool, tmp_path: Path) -> None:
    file = tmp_path / "own.nwb"
    file.write_bytes(CONTENT)
    copy = Copy("own.nwb", str(file), SHA256)
    with spool.opened([copy]) as paths:
        assert paths == [file]
    assert file.exists()
    file.unlink()
    with pytest.raises(DamagedOutputError, match=r"own\.nwb was there and is gone"):
        spool.opened([copy]).__enter__()


def test_an_object_store_is_the_spool_too_whatever_folder_is_named(
    s3_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that only one of the hosts sees would lose copies."""
    monkeypatch.setenv("SPIKEMILL_SPOOL", str(tmp_path / "spool"))
    settings.cache_clear()
    assert s3_prefix in open_store().place
    fetched(open_spool())
    assert not (tmp_path / "spool").exists()


def test_a_copy_goes_up_once_and_down_once(s3: S3Server, s3_prefix: str, tmp_path: Path) -> None:
    spool = open_spool()
    s3.requests()
    copy = fetched(spool)
    again = fetched(spool)
    with spool.opened([copy]):
        pass
    assert copy == again
    requests = [request for request in s3.requests() if request.path.startswith(f"/{s3.bucket}/{s3_prefix}")]
    assert sum(request.sent for request in requests) == len(CONTENT)
    assert sum(request.received for request in requests) == len(CONTENT)
    assert not [path for path in (tmp_path / "scratch").rglob("*") if path.is_file()]


def test_a_copy_that_changed_in_the_store_is_not_binned(s3: S3Server, s3_prefix: str) -> None:
    spool = open_spool()
    copy = fetched(spool)
    s3.client().put_object(Bucket=s3.bucket, Key=f"{s3_prefix}/{copy.place}", Body=b"something")
    with pytest.raises(DamagedDownloadError, match=r"sub-1/copy\.nwb: its copy came out of the store with"):
        spool.opened([copy]).__enter__()


def test_what_is_broken_off_here_is_known_here(s3_prefix: str, tmp_path: Path) -> None:
    assert s3_prefix
    spool = open_spool()
    spool.staging_dir(SESSION).mkdir(parents=True)
    assert spool.staged() == spool.sessions() == [SESSION]
    shutil.rmtree(tmp_path / "scratch")
    assert spool.staged() == spool.sessions() == []
