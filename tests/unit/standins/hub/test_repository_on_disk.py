"""What a made-up hub keeps, however it ends."""

import hashlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from huggingface_hub import HfApi, close_session

from spikemill.services.common.errors import CallError
from standins.hub import repository
from standins.hub.attributes import first_attributes
from standins.hub.kinds import Kind
from standins.hub.repository import regular_file
from standins.hub.server import HubServer, serve_hub
from tests.unit.standins.hub.calls import CARD, REPOSITORY, commit, content, files, head

pytestmark = pytest.mark.slow

SMALL = content(90_000)
FIRST = regular_file(first_attributes()).sha256


@contextmanager
def _process(folder: Path, *options: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the hub as a program; it is killed at the end."""
    command = [sys.executable, "-m", "standins.hub", "--folder", folder, *options]
    with subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def _client(address: str, token: str | None = None) -> HfApi:
    return HfApi(endpoint=address, token=token or False)


@pytest.mark.usefixtures("lfs")
def test_a_hub_goes_on_where_it_ended(folder: Path, tmp_path: Path) -> None:
    with serve_hub(folder) as hub:
        api = _client(hub.url)
        api.create_repo(REPOSITORY, repo_type="dataset")
        made = commit(api, {"README.md": CARD, "data/a.parquet": SMALL})
        api.create_tag(REPOSITORY, tag="release-1", repo_type="dataset")
    moved = folder.rename(tmp_path / "moved")
    with serve_hub(moved) as hub:
        api = _client(hub.url)
        assert head(api, "release-1") == made.oid
        assert files(api).keys() == {"README.md", "data/a.parquet"}
        commit(api, {"data/b.parquet": SMALL})
        assert hub.requests(Kind.UPLOAD) == []


def test_a_commit_that_could_not_be_written_is_none(
    api: HfApi, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = commit(api, {"README.md": CARD})

    def refuse(path: Path, written: bytes) -> None:
        raise ConnectionError(f"{path} is not written: {len(written)} bytes")

    monkeypatch.setattr(repository, "write_whole", refuse)
    with pytest.raises(Exception, match="disconnected"):
        commit(api, {"a.txt": b"a"})
    monkeypatch.undo()
    assert hub.requests(Kind.COMMIT)[-1].status == 0
    assert head(api) == made.oid


@pytest.mark.usefixtures("lfs")
def test_a_hub_that_is_killed_leaves_whole_commits(folder: Path) -> None:
    told: list[str] = []
    for _ in range(4):
        with _process(folder) as (process, address), ThreadPoolExecutor(1) as pool:
            api = _client(address)
            api.create_repo(REPOSITORY, repo_type="dataset", exist_ok=True)
            found = [each.commit_id for each in api.list_repo_commits(REPOSITORY, repo_type="dataset")][
                -2::-1
            ]
            assert found[: len(told)] == told
            assert len(found) <= len(told) + 1
            assert files(api).keys() == {f"{number}.txt" for number in range(len(found))}
            told = [*found]
            publishing = pool.submit(_commit_without_end, address, told)
            while len(told) < len(found) + 3 and not publishing.done():
                time.sleep(0.01)
            process.kill()
            assert isinstance(publishing.exception(), httpx.TransportError)


def _commit_without_end(address: str, told: list[str]) -> None:
    """Add a file with each commit, and note those that the hub told of."""
    with httpx.Client(base_url=address, trust_env=False) as plain:
        while True:
            lines = [
                {"key": "header", "value": {"summary": "A file"}},
                {"key": "file", "value": {"path": f"{len(told)}.txt", "content": "YQ=="}},
            ]
            body = b"\n".join(json.dumps(line).encode() for line in lines)
            answer = plain.post(f"/api/datasets/{REPOSITORY}/commit/main", content=body)
            told.append(answer.json()["commitOid"])


def test_an_upload_whose_client_is_gone_leaves_nothing(folder: Path) -> None:
    with serve_hub(folder) as hub:
        _client(hub.url).create_repo(REPOSITORY, repo_type="dataset")
        close_session()
        host, port = hub.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as client:
            target = f"/lfs/{REPOSITORY}/upload/{hashlib.sha256(SMALL).hexdigest()}/{len(SMALL)}"
            client.sendall(f"PUT {target} HTTP/1.1\r\nContent-Length: {len(SMALL)}\r\n\r\n".encode())
            client.sendall(SMALL[:-1])
            while not (arrived := hub.requests(Kind.UPLOAD)) or arrived[0].bytes_received < len(SMALL) // 2:
                time.sleep(0.01)
    assert [path for path in (folder / "datasets" / REPOSITORY / "objects").rglob("*") if path.is_file()] == [
        folder / "datasets" / REPOSITORY / "objects" / FIRST[:2] / FIRST
    ]


def test_what_a_killed_hub_left_unfinished_is_cleared_away(folder: Path) -> None:
    unfinished = folder / "datasets" / "lab" / "spikes" / ".partial-x"
    unfinished.mkdir(parents=True)
    (unfinished / "half").write_bytes(b"half")
    with serve_hub(folder):
        assert not unfinished.exists()


def test_a_folder_has_one_hub(folder: Path, hub: HubServer) -> None:
    assert hub.url
    with pytest.raises(CallError, match="Another hub serves"), serve_hub(folder):
        pass


def test_a_taken_port_is_a_clear_error(hub: HubServer, tmp_path: Path) -> None:
    port = int(hub.url.rpartition(":")[2])
    with pytest.raises(CallError, match="another port"), serve_hub(tmp_path / "other", port=port):
        pass


def test_the_program_goes_by_its_tokens(folder: Path, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("hf_writer\nhf_reader read\n")
    with _process(folder, "--token-file", tokens) as (process, address):
        assert _client(address, "hf_writer").whoami()["auth"]["accessToken"]["role"] == "write"
        assert _client(address, "hf_reader").whoami()["auth"]["accessToken"]["role"] == "read"
        close_session()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0


@pytest.mark.parametrize(("written", "told"), [("", "holds no token"), ("hf_a owner", "cannot be read")])
def test_a_file_of_tokens_without_sense_is_refused(
    folder: Path, tmp_path: Path, written: str, told: str
) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(written)
    command = [sys.executable, "-m", "standins.hub", "--folder", str(folder)]
    done = subprocess.run(
        [*command, "--token-file", str(tokens)], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert told in done.stderr
    assert "hf_a" not in done.stderr
