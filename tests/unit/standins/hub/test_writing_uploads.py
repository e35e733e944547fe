"""Contents on their way to the made-up hub, sent by the hub's own client."""

import hashlib
from pathlib import Path

import httpx
import pytest
from huggingface_hub import CommitOperationAdd, HfApi

from standins.hub.kinds import Kind
from standins.hub.server import HubServer
from tests.unit.standins.hub.calls import CARD, REPOSITORY, commit, content, files, sent

SMALL, LARGE = content(90_000), content(130_000)


def _sha256(held: bytes) -> str:
    return hashlib.sha256(held).hexdigest()


def test_a_content_is_sent_in_one_request(api: HfApi, hub: HubServer) -> None:
    commit(api, {"data/a.parquet": SMALL})
    assert [entry.bytes_received for entry in hub.requests(Kind.UPLOAD, "PUT")] == [len(SMALL)]
    assert len(hub.requests(Kind.VERIFY)) == 1
    assert files(api) == {"data/a.parquet": _sha256(SMALL)}


def test_a_larger_content_is_sent_in_parts(api: HfApi, hub: HubServer, folder: Path) -> None:
    commit(api, {"data/a.parquet": LARGE, "data/b.parquet": SMALL})
    assert [entry.bytes_received for entry in hub.requests(Kind.PART)] == [40_000, 40_000, 40_000, 10_000]
    assert len(hub.requests(Kind.COMPLETE)) == len(hub.requests(Kind.UPLOAD)) == 1
    assert files(api) == {"data/a.parquet": _sha256(LARGE), "data/b.parquet": _sha256(SMALL)}
    assert not [path for path in folder.rglob("*") if "parts" in path.parts and path.is_file()]


def test_what_is_there_is_not_sent_again(api: HfApi, hub: HubServer) -> None:
    commit(api, {"data/a.parquet": SMALL, "data/b.parquet": LARGE})
    hub.forget_requests()
    commit(api, {"data/c.parquet": LARGE, "data/d.parquet": SMALL})
    assert sent(hub, f"{Kind.UPLOAD}|{Kind.PART}") == 0
    assert len(files(api)) == 4


def test_a_commit_that_changes_nothing_is_none(api: HfApi, hub: HubServer) -> None:
    first = commit(api, {"README.md": CARD, "data/a.parquet": SMALL})
    again = commit(api, {"README.md": CARD, "data/a.parquet": SMALL})
    assert again.oid == first.oid
    assert len(hub.requests(Kind.COMMIT)) == 1


def test_contents_may_come_before_their_commit(api: HfApi, hub: HubServer) -> None:
    addition = CommitOperationAdd("data/a.parquet", SMALL)
    api.preupload_lfs_files(REPOSITORY, [addition], repo_type="dataset")
    assert files(api) == {}
    hub.forget_requests()
    api.create_commit(REPOSITORY, [addition], commit_message="A file", repo_type="dataset")
    assert sent(hub, Kind.UPLOAD) == 0
    assert files(api) == {"data/a.parquet": _sha256(SMALL)}


def test_a_file_of_this_machine_is_sent(api: HfApi, tmp_path: Path) -> None:
    local = tmp_path / "local"
    local.write_bytes(SMALL)
    api.upload_file(
        path_or_fileobj=local, path_in_repo="data/a.parquet", repo_id=REPOSITORY, repo_type="dataset"
    )
    assert files(api) == {"data/a.parquet": _sha256(SMALL)}


@pytest.mark.parametrize(
    ("path", "held", "way"),
    [
        ("README.md", CARD, Kind.COMMIT),
        ("provenance.jsonl", b"{}\n", Kind.COMMIT),
        ("pictures/a.png", b"png", Kind.UPLOAD),
        ("data/a.parquet", b"PAR1", Kind.UPLOAD),
        ("data/empty.parquet", b"", Kind.COMMIT),
        ("noname", b"\0\1", Kind.UPLOAD),
    ],
)
def test_what_is_sent_apart_from_the_commit(
    api: HfApi, hub: HubServer, path: str, held: bytes, way: Kind
) -> None:
    commit(api, {path: held})
    assert len(hub.requests(Kind.UPLOAD)) == (way is Kind.UPLOAD)
    assert files(api).keys() == {path}


def test_the_repository_says_what_is_sent_apart(api: HfApi, hub: HubServer) -> None:
    commit(api, {".gitattributes": b"*.md filter=lfs diff=lfs merge=lfs -text\n"})
    commit(api, {"README.md": CARD, "data/a.parquet": b"PAR1"})
    assert sent(hub, Kind.UPLOAD) == len(CARD)


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize("wrong", [SMALL[:-1], SMALL[:-1] + b"?", SMALL + b"?"])
def test_other_bytes_than_were_announced_are_refused(plain: httpx.Client, folder: Path, wrong: bytes) -> None:
    answer = plain.put(f"/lfs/{REPOSITORY}/upload/{_sha256(SMALL)}/{len(SMALL)}", content=wrong)
    assert answer.status_code == 400
    assert "upload the file again" in answer.json()["error"]
    verified = plain.post(f"/lfs/{REPOSITORY}/verify", json={"oid": _sha256(SMALL), "size": len(SMALL)})
    assert verified.status_code == 404
    assert not [path for path in folder.rglob("*") if path.name == _sha256(SMALL) or "partial" in path.name]


@pytest.mark.usefixtures("api")
def test_a_missing_part_is_refused(plain: httpx.Client) -> None:
    parts = [{"partNumber": 1, "etag": '"0"'}]
    address = f"/lfs/{REPOSITORY}/complete/{_sha256(LARGE)}/{len(LARGE)}"
    answer = plain.post(address, json={"oid": _sha256(LARGE), "parts": parts})
    assert (answer.status_code, answer.headers["X-Error-Message"][:6]) == (400, "Part 1")


@pytest.mark.usefixtures("api")
def test_a_body_in_chunks_is_taken_in(plain: httpx.Client) -> None:
    pieces = iter([SMALL[:1], SMALL[1:50_000], SMALL[50_000:]])
    answer = plain.put(f"/lfs/{REPOSITORY}/upload/{_sha256(SMALL)}/{len(SMALL)}", content=pieces)
    assert answer.status_code == 200
    assert plain.get("/api/whoami-v2").status_code == 401


@pytest.mark.usefixtures("api")
def test_what_cannot_be_read_is_refused(plain: httpx.Client) -> None:
    answer = plain.post(f"/datasets/{REPOSITORY}.git/info/lfs/objects/batch", json={"objects": [{"oid": 1}]})
    assert answer.status_code == 400
    assert plain.post("/api/validate-yaml", content=b"no JSON").status_code == 400
