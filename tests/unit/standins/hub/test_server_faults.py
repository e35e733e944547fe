"""Faults of the made-up hub on request, as its own client meets them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count

import httpx
import httpx2
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

from standins.hub.kinds import Kind
from standins.hub.server import HubServer
from tests.unit.standins.hub.calls import CARD, REPOSITORY, commit, content, files, head

pytestmark = [pytest.mark.chaos, pytest.mark.slow]

SMALL = content(90_000)

Call = Callable[[HfApi], object]
_seeds = count(1)


def _commit(api: HfApi) -> object:
    """Commit files that were never sent before."""
    seed = next(_seeds)
    small, large = content(90_000, seed), content(130_000, seed)
    return commit(api, {"README.md": CARD, "data/a.parquet": small, "data/b.parquet": large})


def _create(api: HfApi) -> object:
    return api.create_repo("lab/new", repo_type="dataset")


def _tag(api: HfApi) -> object:
    return api.create_tag(REPOSITORY, tag="release-1", repo_type="dataset")


def _list(api: HfApi) -> object:
    return list(api.list_repo_tree(REPOSITORY, repo_type="dataset"))


def _download(api: HfApi) -> object:
    return api.hf_hub_download(REPOSITORY, ".gitattributes", repo_type="dataset")


CALLS: dict[Kind, Call] = {
    Kind.CREATE: _create,
    Kind.VALIDATE: _commit,
    Kind.PREUPLOAD: _commit,
    Kind.BATCH: _commit,
    Kind.UPLOAD: _commit,
    Kind.PART: _commit,
    Kind.COMPLETE: _commit,
    Kind.VERIFY: _commit,
    Kind.COMMIT: _commit,
    Kind.TAG: _tag,
    Kind.TREE: _list,
    Kind.RESOLVE: _download,
    Kind.INFO: head,
}


def _failure(call: Callable[[], object]) -> BaseException:
    """Return the error of a call, out of what the client wrapped it in."""
    with pytest.raises((httpx2.HTTPError, OSError, RuntimeError)) as failed:
        call()
    error: BaseException = failed.value
    while error.__cause__ and not isinstance(error, httpx2.HTTPError):
        error = error.__cause__
    return error


def _refusal(call: Callable[[], object]) -> HfHubHTTPError:
    error = _failure(call)
    assert isinstance(error, HfHubHTTPError)
    return error


@pytest.mark.parametrize("kind", CALLS)
def test_a_refusal_is_told(api: HfApi, hub: HubServer, kind: Kind) -> None:
    for status in (401, 403, 404, 409, 412):
        hub.fail(kind, status=status, body=b"{}")
        assert _refusal(partial(CALLS[kind], api)).response.status_code == status
        assert files(api) == {}
    CALLS[kind](api)


def test_a_repository_that_is_gone_has_an_error_of_its_own(api: HfApi, hub: HubServer) -> None:
    hub.fail(Kind.PREUPLOAD, status=404, headers={"X-Error-Code": "RepoNotFound"})
    with pytest.raises(RepositoryNotFoundError):
        _commit(api)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (Kind.PREUPLOAD, 503),
        (Kind.BATCH, 429),
        (Kind.UPLOAD, 503),
        (Kind.PART, 429),
        (Kind.COMPLETE, 503),
        (Kind.VERIFY, 429),
        (Kind.TREE, 503),
    ],
)
def test_the_client_asks_again(api: HfApi, hub: HubServer, kind: Kind, status: int) -> None:
    hub.fail(kind, status=status, retry_after=0)
    CALLS[kind](api)
    assert [entry.status for entry in hub.requests(kind)].count(status) == 1
    assert [entry.status for entry in hub.requests(kind)].count(200) >= 1


@pytest.mark.parametrize("kind", [Kind.UPLOAD, Kind.PART])
def test_an_upload_is_cut(api: HfApi, hub: HubServer, kind: Kind) -> None:
    hub.cut_upload(kind, after=30_000)
    _commit(api)
    cut, again = hub.requests(kind)[:2]
    assert (cut.status, again.status) == (0, 200)
    assert 30_000 <= cut.bytes_received < again.bytes_received + 65_536
    assert len(files(api)) == 3


@pytest.mark.parametrize("kind", [Kind.UPLOAD, Kind.PART, Kind.COMPLETE, Kind.VERIFY, Kind.BATCH])
def test_an_upload_whose_answer_is_lost_is_done(api: HfApi, hub: HubServer, kind: Kind) -> None:
    hub.lose_answer(kind)
    _commit(api)
    assert len(files(api)) == 3


def test_a_commit_whose_answer_is_lost_is_made(api: HfApi, hub: HubServer) -> None:
    hub.lose_answer(Kind.COMMIT)
    assert isinstance(_failure(partial(_commit, api)), httpx2.ReadError)
    assert len(files(api)) == 3
    assert commit(api, {"README.md": CARD}).oid == head(api)


def test_a_commit_that_is_lost_is_not_made(api: HfApi, hub: HubServer) -> None:
    hub.lose_answer(Kind.COMMIT, applied=False)
    assert isinstance(_failure(partial(_commit, api)), httpx2.ReadError)
    assert files(api) == {}


def test_a_commit_that_is_cut_on_its_way_is_not_made(api: HfApi, hub: HubServer) -> None:
    hub.cut_upload(Kind.COMMIT, after=100)
    assert isinstance(_failure(partial(_commit, api)), httpx2.TransportError)
    assert files(api) == {}


@pytest.mark.parametrize(("applied", "held"), [(True, 3), (False, 0)])
def test_a_commit_may_fail_and_be_made(api: HfApi, hub: HubServer, applied: object, held: int) -> None:
    hub.fail(Kind.COMMIT, status=504, applied=bool(applied))
    assert _refusal(partial(_commit, api)).response.status_code == 504
    assert len(files(api)) == held


@pytest.mark.parametrize(("kind", "call"), [(Kind.CREATE, _create), (Kind.TAG, _tag)])
def test_what_was_made_is_there_though_its_answer_was_lost(
    api: HfApi, hub: HubServer, kind: Kind, call: Call
) -> None:
    hub.lose_answer(kind)
    assert isinstance(_failure(partial(call, api)), httpx2.ReadError)
    assert _refusal(partial(call, api)).response.status_code == 409


@pytest.mark.parametrize("applied", [True, False])
def test_a_silent_hub(api: HfApi, plain: httpx.Client, hub: HubServer, applied: object) -> None:
    before = head(api)
    body = b'{"key": "header", "value": {"summary": "A change"}}'
    with ThreadPoolExecutor(1) as pool, hub.hold(Kind.COMMIT, applied=bool(applied)) as hold:
        address = f"/api/datasets/{REPOSITORY}/commit/main"
        answer = pool.submit(plain.post, address, content=body, timeout=60)
        hold.wait_until_reached()
        assert (head(api) != before) is applied
        assert not answer.done()
        hold.release()
        assert answer.result().json()["commitOid"] == head(api) != before


@pytest.mark.parametrize("reset", [True, False])
def test_a_download_is_cut(api: HfApi, plain: httpx.Client, hub: HubServer, reset: object) -> None:
    commit(api, {"data/a.parquet": SMALL})
    hub.cut(Kind.RESOLVE, after=70_000, reset=bool(reset))
    expected = httpx.ReadError if reset else httpx.RemoteProtocolError
    with pytest.raises(expected):
        plain.get(f"/datasets/{REPOSITORY}/resolve/main/data/a.parquet")
    assert hub.requests(Kind.RESOLVE)[0].bytes_sent == 70_000
    assert plain.get(f"/datasets/{REPOSITORY}/resolve/main/data/a.parquet").content == SMALL


def test_a_content_that_is_refused_after_it_came(api: HfApi, hub: HubServer) -> None:
    hub.fail(Kind.VERIFY, status=404)
    assert _refusal(partial(commit, api, {"data/a.parquet": SMALL})).response.status_code == 404
    hub.forget_requests()
    commit(api, {"data/a.parquet": SMALL})
    assert hub.requests(Kind.UPLOAD) == []
