"""Faults on request, as a client meets them."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from standins.archive.content import MadeUpArchive
from standins.archive.server import ArchiveServer
from standins.archive.storage import blob_path

INFO = "/api/info/"


@pytest.fixture
def blob(archive: MadeUpArchive) -> str:
    return blob_path(archive.dandisets[0].versions["draft"][0])


def _receive(client: httpx.Client, address: str, received: bytearray) -> None:
    """Read a body as far as it comes."""
    with client.stream("GET", address) as answer:
        for piece in answer.iter_raw():
            received += piece


def test_a_failure_lasts_as_often_as_it_was_asked_for(client: httpx.Client, server: ArchiveServer) -> None:
    server.fail("/info/", status=503, times=2, retry_after=7)
    answers = [client.get(INFO) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert answers[0].headers["Retry-After"] == "7"
    assert "Retry-After" not in answers[2].headers


def test_faults_are_met_one_by_one(client: httpx.Client, server: ArchiveServer) -> None:
    server.fail("/info/", status=500)
    server.fail("/info/", status=429)
    assert [client.get(INFO).status_code for _ in range(3)] == [500, 429, 200]


def test_other_requests_do_not_fail(client: httpx.Client, server: ArchiveServer) -> None:
    server.fail("/dandisets/", times=None)
    assert client.get(INFO).status_code == 200
    assert [client.get("/api/dandisets/").status_code for _ in range(3)] == [503] * 3
    server.heal()
    assert client.get("/api/dandisets/").status_code == 200


def test_a_signed_link_can_be_named_by_its_file(
    client: httpx.Client, server: ArchiveServer, archive: MadeUpArchive
) -> None:
    server.fail(r"/storage/.*sub-a_ses-1\.nwb")
    asset = archive.dandisets[0].versions["draft"][0].asset_id
    link = client.get(f"/api/assets/{asset}/download/").headers["Location"]
    assert client.get(link).status_code == 503


def test_an_empty_challenge(client: httpx.Client, server: ArchiveServer, blob: str) -> None:
    server.fail("/storage/", status=202, headers={"x-amzn-waf-action": "challenge"})
    answer = client.get(blob)
    assert (answer.status_code, answer.content) == (202, b"")


@pytest.mark.parametrize("after", [0, 1, 70_000, 99_999])
def test_a_body_is_cut(client: httpx.Client, server: ArchiveServer, blob: str, after: int) -> None:
    server.cut("/storage/", after=after)
    received = bytearray()
    with pytest.raises(httpx.RemoteProtocolError, match="expected 100000"):
        _receive(client, blob, received)
    assert len(received) == after
    assert server.requests("/storage/")[0].bytes_sent == after
    assert len(client.get(blob).content) == 100_000


def test_a_cut_past_the_end_is_none(client: httpx.Client, server: ArchiveServer, blob: str) -> None:
    server.cut("/storage/", after=100_000)
    assert len(client.get(blob).content) == 100_000


def test_a_corrupt_body_differs_in_one_byte(client: httpx.Client, server: ArchiveServer, blob: str) -> None:
    server.corrupt("/storage/")
    wrong, right = client.get(blob).content, client.get(blob).content
    assert len(wrong) == len(right)
    assert [i for i, (a, b) in enumerate(zip(wrong, right, strict=True)) if a != b] == [0]


def test_a_request_is_held_until_it_is_released(client: httpx.Client, server: ArchiveServer) -> None:
    with ThreadPoolExecutor(1) as pool, server.hold("/info/") as hold:
        answer = pool.submit(client.get, INFO)
        hold.wait_until_reached()
        assert [entry.status for entry in server.requests("/info/")] == [0]
        assert not answer.done()
        hold.release()
        assert answer.result().status_code == 200


def test_a_body_stalls_until_it_is_released(client: httpx.Client, server: ArchiveServer, blob: str) -> None:
    with server.hold("/storage/", after=70_000) as hold, client.stream("GET", blob) as answer:
        hold.wait_until_reached()
        assert server.requests("/storage/")[0].bytes_sent == 70_000
        hold.release()
        assert len(answer.read()) == 100_000


def test_waiting_for_a_request_that_never_comes_ends(server: ArchiveServer) -> None:
    with server.hold("/info/") as hold, pytest.raises(TimeoutError, match="no request came"):
        hold.wait_until_reached(timeout=0.01)


def test_healing_releases_what_is_held(client: httpx.Client, server: ArchiveServer) -> None:
    hold = server.hold("/info/", times=None)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(client.get, INFO)
        hold.wait_until_reached()
        server.heal()
        assert answer.result().status_code == 200
