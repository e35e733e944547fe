"""The storage behind the archives: ranges, conditions, signed links."""

import httpx
import pytest

from standins.archive.content import ArchiveFile, MadeUpArchive
from standins.archive.server import ArchiveServer
from standins.archive.storage import blob_path


@pytest.fixture
def file(archive: MadeUpArchive) -> ArchiveFile:
    return archive.dandisets[0].versions["draft"][0]


@pytest.fixture
def content(file: ArchiveFile) -> bytes:
    assert isinstance(file.content, bytes)
    return file.content


@pytest.fixture
def public(server: ArchiveServer, file: ArchiveFile) -> str:
    return f"{server.url}{blob_path(file)}"


def _signed(client: httpx.Client, file: ArchiveFile) -> str:
    answer = client.get(f"/api/assets/{file.asset_id}/download/")
    assert answer.status_code == 302
    assert answer.content == b""
    return answer.headers["Location"]


def test_a_signed_link_leads_to_the_content_on_another_host(
    client: httpx.Client, server: ArchiveServer, file: ArchiveFile, content: bytes
) -> None:
    link = httpx.URL(_signed(client, file))
    assert link.host == "localhost"
    assert link.host not in server.url
    assert link.params["response-content-disposition"] == 'attachment; filename="sub-a_ses-1.nwb"'
    answer = client.get(link)
    assert answer.status_code == 200
    assert answer.content == content
    assert answer.headers["ETag"] == f'"{file.digests.dandi_etag}"'


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-0", range(1)),
        ("bytes=100-199", range(100, 200)),
        ("bytes=70000-", range(70_000, 100_000)),
        ("bytes=99999-200000", range(99_999, 100_000)),
        ("bytes=-50", range(99_950, 100_000)),
        ("bytes=-200000", range(100_000)),
    ],
)
def test_a_range_gets_that_part(
    client: httpx.Client, public: str, content: bytes, asked: str, part: range
) -> None:
    answer = client.get(public, headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.content == content[part.start : part.stop]
    assert answer.headers["Content-Range"] == f"bytes {part[0]}-{part[-1]}/100000"


@pytest.mark.parametrize("asked", ["bytes=100000-", "bytes=100000-100005", "bytes=-0"])
def test_a_range_past_the_end_is_refused(client: httpx.Client, public: str, asked: str) -> None:
    answer = client.get(public, headers={"Range": asked})
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == "bytes */100000"


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "bytes=-", "lines=1-2"])
def test_what_is_no_single_range_gets_the_whole(client: httpx.Client, public: str, asked: str) -> None:
    answer = client.get(public, headers={"Range": asked})
    assert answer.status_code == 200
    assert len(answer.content) == 100_000


def test_conditions_compare_the_etag(client: httpx.Client, public: str, file: ArchiveFile) -> None:
    etag = f'"{file.digests.dandi_etag}"'
    part = {"Range": "bytes=0-9"}
    assert client.get(public, headers={**part, "If-Match": etag}).status_code == 206
    assert client.get(public, headers={**part, "If-Match": '"other"'}).status_code == 412
    assert client.get(public, headers={**part, "If-Range": etag}).status_code == 206
    assert client.get(public, headers={**part, "If-Range": '"other"'}).status_code == 200


def test_a_signed_link_is_for_get_alone(client: httpx.Client, file: ArchiveFile) -> None:
    answer = client.head(_signed(client, file))
    assert answer.status_code == 403
    assert answer.content == b""


def test_a_changed_link_is_refused(client: httpx.Client, file: ArchiveFile) -> None:
    answer = client.get(_signed(client, file).replace("X-Amz-Expires=21600", "X-Amz-Expires=99999"))
    assert answer.status_code == 403
    assert "<Code>SignatureDoesNotMatch</Code>" in answer.text


def test_an_expired_link_is_refused_and_a_new_one_is_good(
    client: httpx.Client, server: ArchiveServer, file: ArchiveFile
) -> None:
    link = _signed(client, file)
    server.expire_links()
    answer = client.get(link)
    assert answer.status_code == 403
    assert answer.headers["Content-Type"] == "application/xml"
    assert "<Message>Request has expired</Message>" in answer.text
    assert client.get(_signed(client, file)).status_code == 200


def test_a_token_beside_a_signature_is_refused(client: httpx.Client, file: ArchiveFile) -> None:
    answer = client.get(_signed(client, file), headers={"Authorization": "token x"})
    assert answer.status_code == 400
    assert "InvalidArgument" in answer.text


def test_public_addresses_need_no_signature(client: httpx.Client, server: ArchiveServer, public: str) -> None:
    server.expire_links()
    assert client.get(public).status_code == 200
    assert client.head(public).headers["Content-Length"] == "100000"


def test_deposits_are_not_public(client: httpx.Client, archive: MadeUpArchive) -> None:
    number = archive.articles[0].versions[1][0].number
    assert client.get(f"/storage/deposits/{number}/part-00.txt").status_code == 403


def test_what_is_not_there_is_404(client: httpx.Client) -> None:
    answer = client.get("/storage/blobs/000/000/00000000-0000-0000-0000-000000000000")
    assert answer.status_code == 404
    assert "NoSuchKey" in answer.text


def test_uploads_are_refused(client: httpx.Client, public: str) -> None:
    assert client.post(public, content=b"x" * 1000).status_code == 403
