"""The stand-in for DANDI, request by request."""

from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from standins.archive.content import DRAFT, ArchiveFile, Dandiset, MadeUpArchive
from standins.archive.server import ArchiveServer

ASSETS = "/api/dandisets/000001/versions/draft/assets/"


def _paths(client: httpx.Client, **query: Any) -> list[str]:
    return [item["path"] for item in client.get(ASSETS, params=query).json()["results"]]


@pytest.fixture
def many(archive: MadeUpArchive) -> Sequence[ArchiveFile]:
    """2,500 more assets than pages of 1,000 can show at once."""
    files = [ArchiveFile(f"sub-x/{number:04}.nwb", b"%d" % number) for number in range(2500)]
    archive.dandisets = [Dandiset("000001", "Many", {DRAFT: files})]
    return files


def test_an_asset_is_described(client: httpx.Client, archive: MadeUpArchive, server: ArchiveServer) -> None:
    file = archive.dandisets[0].versions[DRAFT][0]
    item = client.get(ASSETS, params={"metadata": "true", "path": file.path}).json()["results"][0]
    metadata = item.pop("metadata")
    assert item == {
        "asset_id": file.asset_id,
        "blob": file.blob_id,
        "zarr": None,
        "path": "sub-a/sub-a_ses-1.nwb",
        "size": 100_000,
        "created": "2024-01-05T09:00:00Z",
        "modified": "2024-01-05T09:00:00Z",
    }
    assert metadata["digest"]["dandi:sha2-256"] == file.digests.sha256
    assert metadata["digest"]["dandi:dandi-etag"] == file.digests.dandi_etag
    assert metadata["variableMeasured"] == [{"schemaKey": "PropertyValue", "value": "Units"}]
    assert metadata["contentUrl"][0] == f"{server.dandi_api}/assets/{file.asset_id}/download/"
    assert client.get(metadata["contentUrl"][1]).content == file.content


def test_the_public_address_serves_ranges_of_the_object_that_the_digest_names(
    client: httpx.Client, archive: MadeUpArchive, server: ArchiveServer
) -> None:
    file = archive.dandisets[0].versions[DRAFT][0]
    metadata = client.get(f"/api/assets/{file.asset_id}/").json()
    server.expire_links()
    answer = client.get(metadata["contentUrl"][1], headers={"Range": "bytes=1000-1009"})
    assert answer.status_code == 206
    assert answer.content == bytes(range(10))
    assert answer.headers["ETag"] == f'"{metadata["digest"]["dandi:dandi-etag"]}"'


def test_without_being_asked_a_listing_has_no_metadata(client: httpx.Client) -> None:
    assert all("metadata" not in item for item in client.get(ASSETS).json()["results"])


def test_a_digest_can_be_withheld_or_wrong(client: httpx.Client, archive: MadeUpArchive) -> None:
    files = [
        ArchiveFile("a.nwb", b"a", withheld={"dandi:sha2-256"}),
        ArchiveFile("b.nwb", b"b", announced={"dandi:sha2-256": "0" * 64}),
    ]
    archive.dandisets[0].versions[DRAFT] = files
    answer = client.get(ASSETS, params={"metadata": "true", "order": "path"}).json()
    first, second = (item["metadata"]["digest"] for item in answer["results"])
    assert list(first) == ["dandi:dandi-etag"]
    assert second["dandi:sha2-256"] == "0" * 64


def test_paths_sort_by_their_bytes(client: httpx.Client) -> None:
    in_order = _paths(client, order="path")
    assert in_order == [
        "sub-A/SUB-A.nwb",
        "sub-a/sub-a_ses-1.nwb",
        "sub-a/sub-a_ses-1_probe-0_ecephys.nwb",
        "sub-b/images.zarr",
    ]
    assert _paths(client, order="-path") == in_order[::-1]
    assert _paths(client) == _paths(client, order="created") == _paths(client, order="-created")[::-1]


def test_an_unknown_order_is_refused(client: httpx.Client) -> None:
    answer = client.get(ASSETS, params={"order": "size"})
    assert answer.status_code == 400
    assert answer.json()["order"][0].startswith("Select a valid choice.")


def test_a_path_is_a_prefix_in_any_case_unless_it_is_exact(client: httpx.Client) -> None:
    assert len(_paths(client, path="SUB-a/")) == 3
    assert _paths(client, path="sub-a/sub-a_ses-1.nwb") == ["sub-a/sub-a_ses-1.nwb"]
    assert _paths(client, path="none") == []


def test_a_glob_is_the_whole_path_and_its_star_crosses_folders(client: httpx.Client) -> None:
    assert _paths(client, glob="SUB*ecephys.nwb") == ["sub-a/sub-a_ses-1_probe-0_ecephys.nwb"]
    assert _paths(client, glob="*ses-1") == []
    assert _paths(client, glob="sub-?/*") == []


def test_zarr_assets(client: httpx.Client) -> None:
    answer = client.get(ASSETS, params={"zarr": "true", "metadata": "true"}).json()
    (item,) = answer["results"]
    assert item["blob"] is None
    assert item["zarr"]
    assert list(item["metadata"]["digest"]) == ["dandi:dandi-zarr-checksum"]
    download = client.get(f"/api/assets/{item['asset_id']}/download/")
    assert download.status_code == 400
    assert "zarr" in download.json()


@pytest.mark.usefixtures("many")
def test_only_the_first_page_counts(client: httpx.Client, server: ArchiveServer) -> None:
    query: dict[str, str | int] = {"order": "path", "page_size": 1000, "metadata": "true"}
    first = client.get(ASSETS, params=query).json()
    assert (first["count"], len(first["results"]), first["previous"]) == (2500, 1000, None)
    assert first["next"].startswith(server.url)
    second = client.get(first["next"]).json()
    assert (second["count"], len(second["results"])) == (None, 1000)
    third = client.get(second["next"]).json()
    assert (third["count"], len(third["results"]), third["next"]) == (None, 500, None)
    paths = [item["path"] for page in (first, second, third) for item in page["results"]]
    assert paths == sorted(set(paths))


@pytest.mark.usefixtures("many")
def test_page_sizes(client: httpx.Client) -> None:
    sizes = {
        asked: len(client.get(ASSETS, params={"page_size": asked}).json()["results"]) for asked in (7, 5000)
    }
    assert sizes == {7: 7, 5000: 1000}
    assert len(client.get(ASSETS).json()["results"]) == 100


def test_past_the_end_assets_are_an_empty_page_and_other_lists_404(client: httpx.Client) -> None:
    past = client.get(ASSETS, params={"page": 9})
    assert past.status_code == 200
    assert past.json()["results"] == []
    assert client.get("/api/dandisets/", params={"page": 9}).status_code == 404
    assert client.get(ASSETS, params={"page": "none"}).status_code == 404


def test_an_empty_version_lists_nothing(client: httpx.Client) -> None:
    answer = client.get("/api/dandisets/000003/versions/draft/assets/").json()
    assert answer == {"count": 0, "next": None, "previous": None, "results": []}


def test_a_draft_may_change_between_two_pages(client: httpx.Client, archive: MadeUpArchive) -> None:
    first = client.get(ASSETS, params={"page_size": 2, "order": "path"}).json()
    archive.dandisets[0].versions[DRAFT] = archive.dandisets[0].versions[DRAFT][1:]
    second = client.get(first["next"]).json()
    assert first["count"] == 4
    assert len(second["results"]) == 1


@pytest.mark.parametrize(
    "path",
    [
        "dandisets/999999/",
        "dandisets/999999/versions/draft/assets/",
        "dandisets/000001/versions/0.999999.0000/info/",
        "assets/00000000-0000-0000-0000-000000000000/",
    ],
)
def test_what_is_unknown_is_404_in_json(client: httpx.Client, path: str) -> None:
    answer = client.get(f"/api/{path}")
    assert answer.status_code == 404
    assert answer.json() == {"detail": "Not found."}


@pytest.mark.parametrize(
    "path", ["api/assets/no-uuid/", "api/server-info/", "server-info", "", "api/dandisets/1/"]
)
def test_what_is_no_route_is_404_in_html(client: httpx.Client, path: str) -> None:
    answer = client.get(f"/{path}")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")


def test_a_missing_slash_is_put_there(client: httpx.Client) -> None:
    answer = client.get("/api/dandisets/000001/versions/draft/assets?order=path")
    assert answer.status_code == 301
    assert answer.headers["Location"] == "/api/dandisets/000001/versions/draft/assets/?order=path"


def test_an_embargoed_dandiset_wants_a_token(client: httpx.Client) -> None:
    answer = client.get("/api/dandisets/000002/versions/draft/assets/")
    assert answer.status_code == 401
    assert answer.json() == {"detail": "Authentication credentials were not provided."}
    listed = client.get("/api/dandisets/").json()["results"]
    assert [dandiset["identifier"] for dandiset in listed] == ["000001", "000003"]


def test_writing_is_not_allowed(client: httpx.Client) -> None:
    assert client.post("/api/dandisets/", json={}).status_code == 405
