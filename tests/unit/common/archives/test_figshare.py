"""Listing an article: pages, folders, digests, and what may not be read."""

from collections.abc import Iterator
from typing import Any

import pytest

from spikemill.services.common.archives.figshare import PAGE_SIZE, FigshareArchive
from spikemill.services.common.errors import AssetError, NetworkError
from spikemill.services.common.types import Asset
from tests.servers.noting_limiter import NotingLimiter
from tests.servers.scripted_api import Reply, ScriptedApi, serve_script

ARTICLE = "/v2/articles/7739750/versions/2"


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with serve_script() as script:
        script.answers(ARTICLE, Reply({"id": 7739750, "folder_structure": {}, "is_embargoed": False}))
        yield script


def archive(api: ScriptedApi, limiter: NotingLimiter | None = None) -> FigshareArchive:
    return FigshareArchive(f"{api.address}/v2", "7739750", 2, limiter or NotingLimiter())


def file(number: int, name: str, **others: Any) -> dict[str, Any]:
    return {
        "id": number,
        "name": name,
        "size": 59,
        "is_link_only": False,
        "download_url": f"https://ndownloader.figshare.com/files/{number}",
        "supplied_md5": "a" * 32,
        "computed_md5": "B" * 32,
        **others,
    }


def files_page(number: int) -> str:
    return f"{ARTICLE}/files?page={number}&page_size=1000"


def test_pages_are_asked_for_until_one_is_short(api: ScriptedApi) -> None:
    limiter = NotingLimiter()
    api.answers(files_page(1), Reply([file(n, f"{n:04}.mat") for n in range(PAGE_SIZE)]))
    api.answers(files_page(2), Reply([file(PAGE_SIZE, "last.mat")]))
    assert len(list(archive(api, limiter).assets())) == PAGE_SIZE + 1
    assert api.requests == [ARTICLE, files_page(1), files_page(2)]
    assert len(limiter.slots) == 3


def test_a_full_last_page_is_followed_by_an_empty_one(api: ScriptedApi) -> None:
    api.answers(files_page(1), Reply([file(n, f"{n:04}.mat") for n in range(PAGE_SIZE)]))
    api.answers(files_page(2), Reply([]))
    assert len(list(archive(api).assets())) == PAGE_SIZE


def test_a_server_that_repeats_its_page_is_not_asked_for_ever(api: ScriptedApi) -> None:
    full = [file(n, f"{n:04}.mat") for n in range(PAGE_SIZE)]
    api.answers(files_page(1), Reply(full))
    api.answers(files_page(2), Reply(full))
    with pytest.raises(NetworkError, match="on two pages"):
        list(archive(api).assets())


def test_paths_have_the_articles_folders_and_come_in_order(api: ScriptedApi) -> None:
    api.answers(ARTICLE, Reply({"folder_structure": {"3": "spks", "1": "faces/left"}}))
    api.answers(
        files_page(1), Reply([file(3, "a.mat"), file(1, "a.mat"), file(2, "z.mat"), file(7, "Z.mat")])
    )
    assert [(asset.path, asset.asset_id) for asset in archive(api).assets()] == [
        ("Z.mat", "7"),
        ("faces/left/a.mat", "1"),
        ("spks/a.mat", "3"),
        ("z.mat", "2"),
    ]


def test_figshares_own_md5_is_taken_before_the_uploaders(api: ScriptedApi) -> None:
    api.answers(
        files_page(1),
        Reply([file(1, "a"), file(2, "b", computed_md5=""), file(3, "c", computed_md5="", supplied_md5="")]),
    )
    assert list(archive(api).assets()) == [
        Asset("1", "a", 59, {"md5": "b" * 32}),
        Asset("2", "b", 59, {"md5": "a" * 32}),
        Asset("3", "c", 59, {}),
    ]


@pytest.mark.parametrize(
    ("key", "told"),
    [("is_embargoed", "embargo"), ("is_confidential", "confidential"), ("download_disabled", "downloads")],
)
def test_an_article_that_may_not_be_read_says_so(api: ScriptedApi, key: str, told: str) -> None:
    api.answers(ARTICLE, Reply({key: True}))
    with pytest.raises(AssetError, match=told):
        list(archive(api).assets())


def test_of_a_file_that_is_only_a_link_no_digest_is_believed(api: ScriptedApi) -> None:
    api.answers(files_page(1), Reply([file(1, "elsewhere.nwb", is_link_only=True), file(2, "here.nwb")]))
    assert list(archive(api).assets()) == [
        Asset("1", "elsewhere.nwb", 59, {}),
        Asset("2", "here.nwb", 59, {"md5": "b" * 32}),
    ]


def test_a_version_that_is_not_there_is_told_at_once(api: ScriptedApi) -> None:
    api.answers(ARTICLE, Reply({"message": "Entity not found"}, status=404))
    with pytest.raises(AssetError, match="versions/2 answered 404"):
        list(archive(api).assets())


def test_a_busy_figshare_is_a_network_failure(api: ScriptedApi) -> None:
    limiter = NotingLimiter()
    api.answers(files_page(1), Reply(b"", status=429, headers={"Retry-After": "3"}))
    with pytest.raises(NetworkError) as caught:
        list(archive(api, limiter).assets())
    assert caught.value.retry_after == 3
    assert [seconds for _, seconds in limiter.deferred] == [3.0]


def test_the_download_address_is_the_apis_and_not_the_websites(api: ScriptedApi) -> None:
    assert archive(api).locate(Asset("41", "a.mat", 1)).address == f"{api.address}/v2/file/download/41"
