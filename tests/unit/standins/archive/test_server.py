"""The running server: its addresses, its journal, its end."""

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from spikemill.services.common.errors import CallError
from standins.archive.content import DRAFT, MadeUpArchive
from standins.archive.server import ArchiveServer, serve
from standins.archive.storage import blob_path

pytestmark = pytest.mark.slow


def test_addresses(server: ArchiveServer) -> None:
    assert server.url.startswith("http://127.0.0.1:")
    assert server.dandi_api == f"{server.url}/api"
    assert server.figshare_api == f"{server.url}/v2"


def test_requests_are_noted(client: httpx.Client, server: ArchiveServer, archive: MadeUpArchive) -> None:
    blob = blob_path(archive.dandisets[0].versions[DRAFT][0])
    client.get(blob, headers={"Range": "bytes=10-29"})
    client.head(blob)
    client.get("/api/dandisets/", params={"search": "a b"})
    first, second, third = server.requests()
    assert (first.method, first.range, first.status, first.bytes_sent) == ("GET", "bytes=10-29", 206, 20)
    assert (second.method, second.range, second.status, second.bytes_sent) == ("HEAD", None, 200, 0)
    assert third.target == "/api/dandisets/?search=a+b"
    assert first.moment <= second.moment <= third.moment
    assert server.requests(r"\?search") == [third]
    assert server.requests("/storage/", "HEAD") == [second]
    server.forget_requests()
    assert server.requests() == []


def test_many_requests_at_once(server: ArchiveServer, archive: MadeUpArchive) -> None:
    file = archive.dandisets[0].versions[DRAFT][0]
    address = f"{server.url}{blob_path(file)}"

    def fetch(_: int) -> bytes:
        return httpx.get(address, trust_env=False).content

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(fetch, range(100))) == {file.content}
    assert len(server.requests("/storage/")) == 100
    assert sum(entry.bytes_sent for entry in server.requests()) == 100 * file.size


def test_closing_ends_connections_that_wait(archive: MadeUpArchive) -> None:
    with httpx.Client(trust_env=False) as client:
        with serve(archive) as server:
            assert client.get(f"{server.dandi_api}/info/").status_code == 200
        with pytest.raises(httpx.TransportError):
            client.get(f"{server.dandi_api}/info/")


def test_closing_releases_what_is_held(archive: MadeUpArchive) -> None:
    with ThreadPoolExecutor(1) as pool, httpx.Client(trust_env=False) as client:
        with serve(archive) as server:
            hold = server.hold("/info/")
            answer = pool.submit(client.get, f"{server.dandi_api}/info/")
            hold.wait_until_reached()
        assert answer.exception() is None or isinstance(answer.exception(), httpx.TransportError)


def test_a_taken_port_is_a_clear_error(server: ArchiveServer, archive: MadeUpArchive) -> None:
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(CallError, match=rf"127\.0\.0\.1:{port}: .*another port"), serve(archive, port=port):
        pass


def test_the_module_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "standins.archive", "--folder", tmp_path], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        listing = httpx.get(f"{address}/v2/articles/99000003/files", trust_env=False)
        assert len(listing.json()) == 10
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
