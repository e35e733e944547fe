"""Listing a dandiset: pages, order, count, and what each failure is told as."""

from collections.abc import Iterator
from typing import Any

import pytest

from spikemill.services.common.archives.dandi import DandiArchive
from spikemill.services.common.errors import AssetError, NetworkError
from spikemill.services.common.types import Asset
from tests.servers.noting_limiter import NotingLimiter
from tests.servers.scripted_api import Reply, ScriptedApi, serve_script

LISTING = "/api/dandisets/000021/versions/draft/assets/"
FIRST = f"{LISTING}?order=path&metadata=true&page_size=1000"


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with serve_script() as script:
        yield script


def archive(api: ScriptedApi, limiter: NotingLimiter | None = None) -> DandiArchive:
    return DandiArchive(f"{api.address}/api", "000021", "draft", limiter or NotingLimiter())


def item(path: str, *, zarr: bool = False, **metadata: Any) -> dict[str, Any]:
    return {
        "asset_id": f"id-of-{path}",
        "blob": None if zarr else f"blob-of-{path}",
        "zarr": f"zarr-of-{path}" if zarr else None,
        "path": path,
        "size": 100,
        "created": "2021-07-02T13:30:47.984572Z",
        "modified": "2021-08-05T18:46:47.085874Z",
        "metadata": {"contentSize": 100, **metadata},
    }


def page(*items: dict[str, Any], count: int | None = None, following: str | None = None) -> Reply:
    return Reply({"count": count, "next": following, "previous": None, "results": list(items)})


def test_pages_are_followed_one_by_one_though_only_the_first_has_a_count(api: ScriptedApi) -> None:
    limiter = NotingLimiter()
    second, third = f"{FIRST}&page=2", f"{FIRST}&page=3"
    api.answers(FIRST, page(item("a.nwb"), count=4, following=api.address + second))
    api.answers(second, page(item("b.nwb"), item("c.nwb"), following=api.address + third))
    api.answers(third, page(item("d.nwb")))
    listing = list(archive(api, limiter).assets())
    assert [asset.path for asset in listing] == ["a.nwb", "b.nwb", "c.nwb", "d.nwb"]
    assert api.requests == [FIRST, second, third]
    assert limiter.slots == [api.address.removeprefix("http://")] * 3


def test_an_item_becomes_an_asset_with_digests_and_what_it_holds(api: ScriptedApi) -> None:
    both = {"dandi:dandi-etag": "e-1", "dandi:sha2-256": "s"}
    api.answers(
        FIRST,
        page(
            item("a.nwb", digest=both, variableMeasured=["LFP", "Units"]),
            item("b.nwb", digest={"dandi:dandi-etag": "e-1"}, variableMeasured=[{"value": "Units"}]),
            item("c.nwb", digest={"dandi:sha2-256": None}, variableMeasured=[]),
            item("d.nwb"),
            item("e.nwb", digest=None),
            count=5,
        ),
    )
    assert list(archive(api).assets()) == [
        Asset("id-of-a.nwb", "a.nwb", 100, {"sha256": "s", "dandi-etag": "e-1"}, has_units=True),
        Asset("id-of-b.nwb", "b.nwb", 100, {"dandi-etag": "e-1"}, has_units=True),
        Asset("id-of-c.nwb", "c.nwb", 100, {}, has_units=False),
        Asset("id-of-d.nwb", "d.nwb", 100, {}, has_units=None),
        Asset("id-of-e.nwb", "e.nwb", 100, {}, has_units=None),
    ]


def test_zarr_assets_count_but_are_skipped(api: ScriptedApi) -> None:
    api.answers(FIRST, page(item("a.zarr", zarr=True), item("b.nwb"), count=2))
    assert [asset.path for asset in archive(api).assets()] == ["b.nwb"]


def test_an_empty_version_has_no_assets(api: ScriptedApi) -> None:
    api.answers(FIRST, page(count=0))
    assert list(archive(api).assets()) == []


@pytest.mark.parametrize(
    ("second", "told"),
    [
        ([], "a page is empty"),
        ([item("c.nwb")], "2 assets of 3 came"),
        ([item("A.nwb"), item("c.nwb")], "'A.nwb' is not in the order"),
        ([item("a.nwb"), item("c.nwb")], "'a.nwb' is not in the order"),
        ([item("b.nwb"), item("c.nwb"), item("d.nwb")], "4 assets of 3 came"),
    ],
)
def test_a_listing_that_changes_between_pages_is_refused(
    api: ScriptedApi, second: list[dict[str, Any]], told: str
) -> None:
    api.answers(FIRST, page(item("a.nwb"), count=3, following=f"{api.address}{FIRST}&page=2"))
    following = None if second else f"{api.address}{FIRST}&page=3"
    api.answers(f"{FIRST}&page=2", page(*second, following=following))
    with pytest.raises(NetworkError, match=told):
        list(archive(api).assets())


def test_paths_are_ordered_by_their_bytes(api: ScriptedApi) -> None:
    api.answers(FIRST, page(item("sub-B/x"), item("sub-a/x"), item("sub-a0/x"), count=3))
    assert len(list(archive(api).assets())) == 3


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_archive_is_asked_once_and_its_pause_is_passed_on(api: ScriptedApi, status: int) -> None:
    limiter = NotingLimiter()
    api.answers(FIRST, Reply(b"busy", status=status, headers={"Retry-After": "17"}))
    with pytest.raises(NetworkError, match=f"answered {status}") as caught:
        list(archive(api, limiter).assets())
    assert caught.value.retry_after == 17
    assert limiter.deferred == [(api.address.removeprefix("http://"), 17.0)]
    assert len(api.requests) == 1


@pytest.mark.parametrize(
    ("status", "told"), [(401, "embargoed"), (403, "embargoed"), (404, "nothing of this name"), (400, "400")]
)
def test_what_waiting_does_not_heal_is_told_at_once(api: ScriptedApi, status: int, told: str) -> None:
    api.answers(FIRST, Reply({"detail": "no"}, status=status))
    with pytest.raises(AssetError, match=told) as caught:
        list(archive(api).assets())
    assert "page_size" not in str(caught.value)
    assert len(api.requests) == 1


@pytest.mark.parametrize(
    "reply",
    [Reply(b"", status=202), Reply(b"<html>"), Reply(b'{"count": 1, "next": nul', cut=10), Reply(status=204)],
)
def test_an_answer_that_is_no_page_is_a_network_failure(api: ScriptedApi, reply: Reply) -> None:
    api.answers(FIRST, reply)
    with pytest.raises(NetworkError):
        list(archive(api).assets())
    assert len(api.requests) == 1


@pytest.mark.parametrize("body", [{"count": 1}, [], {"count": 0, "next": None, "results": [{"path": "a"}]}])
def test_an_answer_of_another_form_names_what_differs(api: ScriptedApi, body: Any) -> None:
    api.answers(FIRST, Reply(body))
    with pytest.raises(AssetError, match="not what its API documents"):
        list(archive(api).assets())


def test_an_archive_that_nobody_serves_is_a_network_failure() -> None:
    with serve_script() as gone:
        pass
    with pytest.raises(NetworkError, match="could not be reached"):
        list(archive(gone).assets())


def test_the_download_address_is_the_apis_own(api: ScriptedApi) -> None:
    location = archive(api).locate(Asset("58703c97", "sub-1/a.nwb", 1))
    assert location.address == f"{api.address}/api/assets/58703c97/download/"
    assert not location.is_local
    assert api.requests == []
