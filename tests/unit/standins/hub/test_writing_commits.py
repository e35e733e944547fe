"""Commits to the made-up hub."""

import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, RemoteEntryNotFoundError

from standins.hub.server import HubServer
from tests.unit.standins.hub.calls import CARD, REPOSITORY, commit, files, head


def _status(error: pytest.ExceptionInfo[HfHubHTTPError]) -> int:
    return int(error.value.response.status_code)


def _lines(*lines: tuple[str, dict[str, object]]) -> bytes:
    return b"\n".join(json.dumps({"key": key, "value": value}).encode() for key, value in lines)


def test_a_commit_has_an_address(api: HfApi, hub: HubServer) -> None:
    made = commit(api, {"README.md": CARD})
    assert made.commit_url == f"{hub.url}/datasets/{REPOSITORY}/commit/{made.oid}"
    assert head(api) == made.oid


def test_every_commit_stays(api: HfApi) -> None:
    commits = [commit(api, {f"{number}.txt": b"%d" % number}) for number in range(5)]
    listed = api.list_repo_commits(REPOSITORY, repo_type="dataset")
    assert [each.commit_id for each in listed][:5] == [each.oid for each in reversed(commits)]
    assert [each.title for each in listed][4:] == ["A change", "initial commit"]
    assert sorted(files(api, commits[1].oid)) == ["0.txt", "1.txt"]


def test_a_commit_on_another_head_is_refused(api: HfApi) -> None:
    first = commit(api, {"README.md": CARD})
    second = commit(api, {"a.txt": b"a"}, parent=first.oid)
    with pytest.raises(HfHubHTTPError, match="A commit has happened since") as refused:
        commit(api, {"b.txt": b"b"}, parent=first.oid)
    assert _status(refused) == 412
    assert head(api) == second.oid


def test_of_many_commits_on_one_head_one_is_made(api: HfApi) -> None:
    first = commit(api, {"README.md": CARD})

    def attempt(number: int) -> bool:
        try:
            return bool(commit(api, {f"{number}.txt": b"text"}, parent=first.oid))
        except HfHubHTTPError:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(8))) == 1
    assert len(files(api)) == 2


def test_of_many_commits_on_any_head_all_are_made(api: HfApi) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda number: commit(api, {f"{number}.txt": b"text"}), range(16)))
    assert len(files(api)) == 16
    listed = api.list_repo_commits(REPOSITORY, repo_type="dataset")
    assert {each.oid for each in made} == {each.commit_id for each in listed[:-1]}


def test_files_and_folders_are_deleted(api: HfApi) -> None:
    commit(api, {"a.txt": b"a", "data/b.txt": b"b", "data/c/d.txt": b"d", "data-2/e.txt": b"e"})
    commit(api, {"data/f.txt": b"f"}, ["a.txt", "data/"])
    assert sorted(files(api)) == ["data-2/e.txt", "data/f.txt"]


@pytest.mark.parametrize("missing", ["missing.txt", "missing/", "data"])
def test_what_is_not_there_cannot_be_deleted(api: HfApi, missing: str) -> None:
    made = commit(api, {"data/b.txt": b"b"})
    with pytest.raises(RemoteEntryNotFoundError, match="A file with this name doesn't exist"):
        commit(api, {"c.txt": b"c"}, [missing])
    assert head(api) == made.oid


def test_a_large_file_must_have_come_before(api: HfApi, plain: httpx.Client) -> None:
    large = {"path": "data/a.parquet", "algo": "sha256", "oid": "0" * 64, "size": 5}
    body = _lines(("header", {"summary": "A file"}), ("lfsFile", large))
    answer = plain.post(f"/api/datasets/{REPOSITORY}/commit/main", content=body)
    assert answer.status_code == 400
    assert "upload it first" in answer.headers["X-Error-Message"]
    assert files(api) == {}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no JSON",
        _lines(("file", {"path": "a", "content": "YQ=="})),
        _lines(("header", {"summary": "a"}), ("file", {"path": "../a", "content": "YQ=="})),
        _lines(("header", {"summary": "a"}), ("file", {"path": "a", "content": "Y"})),
        _lines(("header", {"summary": "a"}), ("copy", {"path": "a"})),
    ],
)
def test_a_commit_that_cannot_be_read_is_refused(api: HfApi, plain: httpx.Client, body: bytes) -> None:
    before = head(api)
    assert plain.post(f"/api/datasets/{REPOSITORY}/commit/main", content=body).status_code == 400
    assert head(api) == before


def test_there_are_no_pull_requests(api: HfApi) -> None:
    with pytest.raises(HfHubHTTPError, match="no pull requests") as refused:
        api.upload_file(
            path_or_fileobj=b"a",
            path_in_repo="a",
            repo_id=REPOSITORY,
            repo_type="dataset",
            create_pr=True,
        )
    assert _status(refused) == 403
