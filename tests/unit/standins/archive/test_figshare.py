"""The stand-in for figshare, request by request."""

import hashlib
from typing import Any

import httpx
import pytest

from standins.archive.content import ArchiveFile, MadeUpArchive


def _names(client: httpx.Client, path: str, **query: Any) -> list[str]:
    return [file["name"] for file in client.get(f"/v2/articles/77/{path}", params=query).json()]


def test_an_article_shows_ten_files_at_most(client: httpx.Client) -> None:
    article = client.get("/v2/articles/77").json()
    assert (article["version"], len(article["files"])) == (2, 10)
    assert len(article["folder_structure"]) == 23
    assert set(article["folder_structure"].values()) == {"notes"}
    assert client.get("/v2/articles/77/versions/1").json()["version"] == 1


def test_files_come_in_pages_of_ten(client: httpx.Client) -> None:
    pages = [_names(client, "versions/2/files", page=page) for page in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [10, 10, 4, 0]
    assert _names(client, "files", page_size=1000) == [name for page in pages for name in page]
    assert _names(client, "files", page_size=5, page=2) == _names(client, "files", limit=5, offset=5)
    assert len(_names(client, "versions/1/files")) == 3


@pytest.mark.parametrize("size", [0, 1001])
def test_page_sizes_have_bounds(client: httpx.Client, size: int) -> None:
    assert client.get("/v2/articles/77/files", params={"page_size": size}).status_code == 400


def test_a_file_is_described(client: httpx.Client, archive: MadeUpArchive) -> None:
    file = client.get("/v2/articles/77/files").json()[0]
    md5 = hashlib.md5(b"0", usedforsecurity=False).hexdigest()
    assert file["id"] == archive.articles[0].versions[2][0].number
    assert (file["name"], file["size"], file["is_link_only"]) == ("part-00.txt", 1, False)
    assert file["supplied_md5"] == file["computed_md5"] == md5


def test_a_digest_can_be_wrong(client: httpx.Client, archive: MadeUpArchive) -> None:
    archive.articles[0].versions[2] = [ArchiveFile("a.txt", b"a", announced={"computed_md5": "f" * 32})]
    assert client.get("/v2/articles/77/files").json()[0]["computed_md5"] == "f" * 32


def test_versions(client: httpx.Client) -> None:
    assert [entry["version"] for entry in client.get("/v2/articles/77/versions").json()] == [1, 2]


def test_a_download_is_redirected_and_honours_ranges(client: httpx.Client) -> None:
    number = client.get("/v2/articles/77/files", params={"page": 2}).json()[0]["id"]
    answer = client.get(f"/v2/file/download/{number}", follow_redirects=True)
    assert answer.history[0].status_code == 302
    assert answer.url.host == "localhost"
    assert answer.content == b"10"
    part = client.get(f"/v2/file/download/{number}", headers={"Range": "bytes=1-"}, follow_redirects=True)
    assert (part.status_code, part.content) == (206, b"0")
    assert part.headers["ETag"] == f'"{hashlib.md5(b"10", usedforsecurity=False).hexdigest()}"'


def test_the_website_challenges_who_is_no_browser(client: httpx.Client) -> None:
    answer = client.get(client.get("/v2/articles/77/files").json()[0]["download_url"])
    assert answer.status_code == 202
    assert answer.headers["x-amzn-waf-action"] == "challenge"
    assert answer.content == b""


def test_a_linked_file_is_hosted_elsewhere(client: httpx.Client) -> None:
    linked = client.get("/v2/articles/77/files", params={"page": 3}).json()[-1]
    assert linked["is_link_only"]
    assert client.get(f"/v2/file/download/{linked['id']}").status_code == 404


@pytest.mark.parametrize("path", ["articles/1", "articles/77/versions/3/files", "file/download/1", "nothing"])
def test_what_is_unknown_is_404_in_json(client: httpx.Client, path: str) -> None:
    answer = client.get(f"/v2/{path}")
    assert answer.status_code == 404
    assert answer.json()["message"]
