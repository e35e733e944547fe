"""Repositories of the made-up hub, their branches and tags."""

import httpx
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import (
    BadRequestError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from standins.hub.server import HubServer
from tests.unit.standins.hub.calls import REPOSITORY, commit, content, files


def _status(error: pytest.ExceptionInfo[HfHubHTTPError]) -> int:
    return int(error.value.response.status_code)


def test_tags_stay_where_they_are(api: HfApi) -> None:
    first = commit(api, {"a.txt": b"a"})
    api.create_tag(REPOSITORY, tag="release-1", repo_type="dataset")
    second = commit(api, {"b.txt": b"b"})
    with pytest.raises(HfHubHTTPError, match="exists already") as refused:
        api.create_tag(REPOSITORY, tag="release-1", repo_type="dataset")
    assert _status(refused) == 409
    api.create_tag(REPOSITORY, tag="release-0", revision=first.oid, repo_type="dataset")
    refs = api.list_repo_refs(REPOSITORY, repo_type="dataset")
    assert {tag.name: tag.target_commit for tag in refs.tags} == {
        "release-0": first.oid,
        "release-1": first.oid,
    }
    assert {branch.name: branch.target_commit for branch in refs.branches} == {"main": second.oid}
    assert files(api, "release-1").keys() == {"a.txt"}


def test_branches_go_their_own_ways(api: HfApi) -> None:
    first = commit(api, {"a.txt": b"a"})
    api.create_branch(REPOSITORY, branch="try/1", repo_type="dataset")
    with pytest.raises(HfHubHTTPError, match="already exists"):
        api.create_branch(REPOSITORY, branch="try/1", repo_type="dataset")
    api.upload_file(
        path_or_fileobj=b"b",
        path_in_repo="b.txt",
        repo_id=REPOSITORY,
        repo_type="dataset",
        revision="try/1",
        parent_commit=first.oid,
    )
    assert files(api, "try/1").keys() == {"a.txt", "b.txt"}
    assert files(api).keys() == {"a.txt"}


def test_only_a_branch_takes_a_commit(api: HfApi) -> None:
    first = commit(api, {"a.txt": b"a"})
    with pytest.raises(RevisionNotFoundError):
        api.upload_file(
            path_or_fileobj=b"b",
            path_in_repo="b",
            repo_id=REPOSITORY,
            repo_type="dataset",
            revision=first.oid,
        )


def test_a_repository_is_created_once(api: HfApi, hub: HubServer) -> None:
    with pytest.raises(HfHubHTTPError) as refused:
        api.create_repo(REPOSITORY, repo_type="dataset")
    assert _status(refused) == 409
    again = api.create_repo(REPOSITORY, repo_type="dataset", exist_ok=True)
    assert str(again) == f"{hub.url}/datasets/{REPOSITORY}"
    with pytest.raises(BadRequestError, match="datasets only"):
        api.create_repo(REPOSITORY, repo_type="model")


def test_a_repository_may_be_private(api: HfApi) -> None:
    api.create_repo("lab/secret", repo_type="dataset", private=True)
    assert api.dataset_info("lab/secret").private
    assert not api.dataset_info(REPOSITORY).private


def test_repositories_have_contents_of_their_own(api: HfApi, hub: HubServer) -> None:
    held = content(1000)
    commit(api, {"a.parquet": held})
    api.create_repo("lab/other", repo_type="dataset")
    api.upload_file(path_or_fileobj=held, path_in_repo="a.parquet", repo_id="lab/other", repo_type="dataset")
    assert [entry.bytes_received for entry in hub.requests("/upload/")] == [1000, 1000]


@pytest.mark.parametrize("name", ["lab/missing", "lab/..", "../lab"])
def test_what_is_no_repository_is_not_found(api: HfApi, plain: httpx.Client, name: str) -> None:
    with pytest.raises(RepositoryNotFoundError):
        api.dataset_info("lab/missing")
    answer = plain.get(f"/api/datasets/{name.replace('..', '%2E%2E')}")
    assert answer.status_code == 404
