"""The stand-in as DANDI's own client sees it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from dandi.dandiapi import DandiAPIClient
from dandi.exceptions import NotFoundError

from standins.archive.content import DRAFT, ArchiveFile, Dandiset, MadeUpArchive
from standins.archive.server import ArchiveServer

PUBLISHED = "0.240105.0900"


@pytest.fixture
def dandi(server: ArchiveServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[DandiAPIClient]:
    monkeypatch.setenv("DANDI_NO_ET", "1")
    with DandiAPIClient(server.dandi_api) as client:
        yield client


def test_the_client_finds_the_instance(dandi: DandiAPIClient, server: ArchiveServer) -> None:
    assert dandi.dandi_instance.api == server.dandi_api
    dandi.check_schema_version("0.6.10")
    assert [entry.status for entry in server.requests("server-info")] == [404]


def test_versions(dandi: DandiAPIClient) -> None:
    dandiset = dandi.get_dandiset("000001", lazy=False)
    assert dandiset.version_id == PUBLISHED
    assert [str(version) for version in dandiset.get_versions()] == [DRAFT, PUBLISHED]
    assert [str(version) for version in dandiset.get_versions(order="-created")] == [PUBLISHED, DRAFT]
    assert dandiset.get_version(PUBLISHED).asset_count == 3
    assert dandiset.for_version(DRAFT).version.asset_count == 4
    assert dandiset.get_raw_metadata()["version"] == PUBLISHED
    assert dandi.get_dandiset("000003", lazy=False).version_id == DRAFT
    assert len(list(dandi.get_dandisets())) == 2


def test_what_is_not_there_is_not_found(dandi: DandiAPIClient) -> None:
    with pytest.raises(NotFoundError):
        dandi.get_dandiset("999999", lazy=False)
    with pytest.raises(NotFoundError):
        dandi.get_dandiset("000001", PUBLISHED).get_version("0.1.1")


def test_assets(dandi: DandiAPIClient) -> None:
    dandiset = dandi.get_dandiset("000001", DRAFT)
    assert len(list(dandiset.get_assets(order="path"))) == 4
    assert len(list(dandiset.get_assets_with_path_prefix("sub-b"))) == 1
    assert len(list(dandiset.get_assets_by_glob("*ecephys*"))) == 1
    asset = dandiset.get_asset_by_path("sub-a/sub-a_ses-1.nwb")
    assert dandiset.get_asset(asset.identifier) == asset
    assert asset.get_raw_metadata()["contentSize"] == asset.size == 100_000


def test_more_assets_than_a_page_holds(dandi: DandiAPIClient, archive: MadeUpArchive) -> None:
    files = [ArchiveFile(f"sub-x/{number:04}.nwb", b"%d" % number) for number in range(450)]
    archive.dandisets = [Dandiset("000001", "Many", {DRAFT: files})]
    listed = [asset.path for asset in dandi.get_dandiset("000001", DRAFT).get_assets(order="path")]
    assert listed == [file.path for file in files]


def test_a_download_follows_the_redirect_to_the_storage(
    dandi: DandiAPIClient, server: ArchiveServer, archive: MadeUpArchive, tmp_path: Path
) -> None:
    file = archive.dandisets[0].versions[DRAFT][0]
    asset = dandi.get_dandiset("000001", DRAFT).get_asset_by_path(file.path)
    asset.download(tmp_path / "whole.nwb")
    assert (tmp_path / "whole.nwb").read_bytes() == file.content
    assert b"".join(asset.get_download_file_iter()(99_990)) == bytes(range(190, 200))
    assert [entry.status for entry in server.requests("/storage/")] == [200, 206]


def test_the_address_of_the_content_is_found_by_head(dandi: DandiAPIClient, server: ArchiveServer) -> None:
    asset = dandi.get_dandiset("000001", DRAFT).get_asset_by_path("sub-a/sub-a_ses-1.nwb")
    address = asset.get_content_url(regex="/download/", follow_redirects=True)
    assert "X-Amz-Signature=" in address
    assert [entry.status for entry in server.requests("/storage/", "HEAD")] == [403]
    assert "X-Amz-Signature" not in asset.get_content_url(regex="/storage/")
