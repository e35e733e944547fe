"""Files of the made-up hub, as its own client and a plain one read them."""

import hashlib
from pathlib import Path

import httpx
import pytest
from huggingface_hub import HfApi, RepoFile
from huggingface_hub.errors import RemoteEntryNotFoundError, RevisionNotFoundError

from standins.hub.kinds import Kind
from standins.hub.repository import large_file, regular_file
from standins.hub.server import HubServer
from tests.unit.standins.hub.calls import CARD, REPOSITORY, commit, content, files, head

SHARD = content(5000)
FILE = f"/datasets/{REPOSITORY}/resolve/main/data/a.parquet"


@pytest.fixture(autouse=True)
def _held(api: HfApi) -> None:
    commit(api, {"README.md": CARD, "data/a.parquet": SHARD, "data/b.parquet": b"b", "data-2/c.txt": b"c"})


def test_a_tree_comes_in_pages(api: HfApi, hub: HubServer) -> None:
    listed = [each.path for each in api.list_repo_tree(REPOSITORY, repo_type="dataset", recursive=True)]
    assert listed == [
        ".gitattributes",
        "README.md",
        "data",
        "data-2",
        "data-2/c.txt",
        "data/a.parquet",
        "data/b.parquet",
    ]
    assert len(hub.requests(Kind.TREE)) == 3


def test_a_folder_is_listed(api: HfApi) -> None:
    top = [each.path for each in api.list_repo_tree(REPOSITORY, repo_type="dataset")]
    assert top == [".gitattributes", "README.md", "data", "data-2"]
    assert [each.path for each in api.list_repo_tree(REPOSITORY, "data", repo_type="dataset")] == [
        "data/a.parquet",
        "data/b.parquet",
    ]
    with pytest.raises(RemoteEntryNotFoundError):
        list(api.list_repo_tree(REPOSITORY, "dat", repo_type="dataset"))


def test_a_large_file_is_described(api: HfApi) -> None:
    shard, card = api.get_paths_info(
        REPOSITORY, ["README.md", "data/a.parquet", "missing"], repo_type="dataset"
    )[::-1]
    assert isinstance(shard, RepoFile)
    assert isinstance(card, RepoFile)
    assert shard.lfs is not None
    assert (shard.size, shard.lfs.sha256) == (5000, hashlib.sha256(SHARD).hexdigest())
    assert (card.size, card.lfs) == (len(CARD), None)
    siblings = {
        each.rfilename: each for each in api.dataset_info(REPOSITORY, files_metadata=True).siblings or ()
    }
    assert siblings["data/a.parquet"].lfs == shard.lfs
    assert siblings["README.md"].blob_id == card.blob_id


def test_ids_are_those_of_git() -> None:
    assert regular_file(b"hello\n").blob == "ce013625030ba8dba906f756967f9e9ca394464a"
    assert (
        large_file("4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393", 12345).pointer_size
        == 130
    )


def test_files_are_downloaded(api: HfApi) -> None:
    one = api.hf_hub_download(REPOSITORY, "data/a.parquet", repo_type="dataset")
    assert Path(one).read_bytes() == SHARD
    snapshot = Path(api.snapshot_download(REPOSITORY, repo_type="dataset"))
    assert snapshot.name == head(api)
    assert (snapshot / "README.md").read_bytes() == CARD
    assert {str(path.relative_to(snapshot)) for path in snapshot.rglob("*.*") if path.is_file()} == {
        ".gitattributes",
        *files(api),
    }


def test_what_is_not_there(api: HfApi, plain: httpx.Client) -> None:
    with pytest.raises(RemoteEntryNotFoundError):
        api.hf_hub_download(REPOSITORY, "missing", repo_type="dataset")
    with pytest.raises(RevisionNotFoundError):
        api.hf_hub_download(REPOSITORY, "README.md", repo_type="dataset", revision="missing")
    answer = plain.head(f"/datasets/{REPOSITORY}/resolve/main/missing")
    assert answer.headers["X-Error-Code"] == "EntryNotFound"
    assert answer.headers["X-Repo-Commit"] == head(api)
    assert plain.get("/elsewhere").status_code == 404


def test_the_head_of_a_file(api: HfApi, plain: httpx.Client) -> None:
    sha256 = hashlib.sha256(SHARD).hexdigest()
    headers = plain.head(FILE).headers
    assert headers["ETag"] == headers["X-Linked-Etag"] == f'"{sha256}"'
    assert headers["Content-Length"] == headers["X-Linked-Size"] == "5000"
    assert headers["X-Repo-Commit"] == head(api)
    assert "X-Xet-Hash" not in headers
    assert "X-Linked-Etag" not in plain.head(f"/datasets/{REPOSITORY}/resolve/main/README.md").headers


@pytest.mark.parametrize(
    ("asked", "span"),
    [("bytes=0-99", range(100)), ("bytes=4990-", range(4990, 5000)), ("bytes=-8", range(4992, 5000))],
)
def test_a_range_of_a_file(plain: httpx.Client, asked: str, span: range) -> None:
    answer = plain.get(FILE, headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.content == SHARD[span.start : span.stop]
    assert answer.headers["Content-Range"] == f"bytes {span.start}-{span.stop - 1}/5000"


def test_a_range_past_the_end(plain: httpx.Client) -> None:
    answer = plain.get(FILE, headers={"Range": "bytes=5000-"})
    assert (answer.status_code, answer.headers["Content-Range"]) == (416, "bytes */5000")


def test_a_page_that_is_none_is_refused(plain: httpx.Client) -> None:
    assert plain.get(f"/api/datasets/{REPOSITORY}/tree/main?cursor=x").status_code == 400
