"""The hub's client: who gets the token, who never sees it, and how long anybody is waited for."""

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from io import BytesIO
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import CommitOperationAdd, constants, get_session

from spikemill.services.common.errors import HubError, NetworkError
from spikemill.services.common.hub_target import HubTarget
from spikemill.services.merger.hub.client import RetryingClient, UploadCounter, connected
from spikemill.services.merger.hub.push import push
from spikemill.services.merger.hub.repository import DATASET
from spikemill.services.merger.provenance import StoredPile
from standins.hub.access import Role
from standins.hub.kinds import Kind
from standins.hub.server import HubServer, serve_hub
from standins.wire.messages import Answer, Request, json_answer, redirect
from standins.wire.server import LOOPBACK, ScriptedServer
from tests.servers.tls.certificates import MISSING, issue
from tests.servers.tls.front import tls_front
from tests.unit.merger.hub.datasets import CURT, HASTY, REPOSITORY, Dataset

pytestmark = pytest.mark.slow

WRITER, READER, STRANGER = "hf_madeupwriter1", "hf_madeupreader1", "not_of_the_usual_form_1"


@pytest.fixture
def closed_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A hub that wants tokens, and which is this process's own."""
    with serve_hub(tmp_path / "hub", token={WRITER: Role.WRITE, READER: Role.READ}) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


def log_in(token: str, monkeypatch: pytest.MonkeyPatch, *, by_file: bool = False) -> None:
    if by_file:
        path = Path(constants.HF_TOKEN_PATH)
        path.parent.mkdir(parents=True)
        path.write_text(f"{token}\n")
    else:
        monkeypatch.setenv("HF_TOKEN", token)


@pytest.mark.parametrize("by_file", [True, False])
def test_a_token_is_read_from_the_environment_or_the_login(
    published: StoredPile,
    closed_hub: HubServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    by_file: bool,
) -> None:
    log_in(WRITER, monkeypatch, by_file=by_file)

    push(published, HubTarget(REPOSITORY, endpoint=closed_hub.url), backoff=HASTY)

    Dataset(closed_hub, tmp_path / "hub").require(published)


@pytest.mark.parametrize(
    ("token", "text"),
    [
        (None, "got no token, or does not accept it .401.*hf auth login"),
        (STRANGER, "got no token, or does not accept it .401.*HF_TOKEN"),
        (READER, "no right to write to lab/spikes .*403.*write access to lab"),
    ],
)
def test_a_token_stands_in_no_error_and_no_line(  # noqa: PLR0917 - places where it might stand
    published: StoredPile,
    closed_hub: HubServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    token: str | None,
    text: str,
) -> None:
    if token:
        log_in(token, monkeypatch)
    # The worst that a server may do is to say it back.
    closed_hub.fail(Kind.VALIDATE, status=400, body=f'{{"errors": [{{"message": "{token}"}}]}}'.encode())
    caplog.set_level(logging.DEBUG)

    with pytest.raises(HubError, match=text) as told:
        push(published, HubTarget(REPOSITORY, endpoint=closed_hub.url), backoff=HASTY)

    out = capfd.readouterr()
    seen = f"{told.value} {''.join(traceback.format_exception(told.value))} {caplog.text} {out.out} {out.err}"
    assert token is None or token not in seen


def test_a_token_that_the_hub_says_back_is_masked(
    published: StoredPile, closed_hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(WRITER, monkeypatch)
    closed_hub.fail(Kind.PREUPLOAD, status=400, body=f'{{"error": "what is {WRITER}?"}}'.encode())

    with pytest.raises(HubError, match=r"what is \*\*\*") as told:
        push(published, HubTarget(REPOSITORY, endpoint=closed_hub.url), backoff=HASTY)

    assert WRITER not in str(told.value)


def test_a_token_that_cannot_be_read_is_told(
    published: StoredPile, closed_hub: HubServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "folder"))

    with pytest.raises(HubError, match=r"token cannot be read from .*folder.*HF_TOKEN_PATH"):
        push(published, HubTarget(REPOSITORY, endpoint=closed_hub.url), backoff=HASTY)


@contextmanager
def listener(answer: Answer) -> Iterator[tuple[ScriptedServer, list[Request]]]:
    """Serve one answer to all, and remember the requests whole."""
    heard: list[Request] = []

    def find_answer(request: Request) -> Answer:
        heard.append(request)
        return answer

    server = ScriptedServer(find_answer, LOOPBACK, 0)
    with server.running():
        yield server, heard


def test_the_token_of_another_hub_is_not_sent_even_where_the_library_would(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log_in(WRITER, monkeypatch)
    modes = {"files": [{"path": "a.parquet", "uploadMode": "lfs", "shouldIgnore": False}], "objects": []}

    with listener(json_answer(modes)) as (server, heard):
        target = HubTarget(REPOSITORY, endpoint=server.url)
        with connected(target, HASTY) as hub:
            # The library asks for links with the token of the login, although it was told to use none.
            hub.api.preupload_lfs_files(
                REPOSITORY,
                [CommitOperationAdd("a.parquet", BytesIO(b"a"))],
                repo_type=DATASET,
                revision="main",
            )

    assert [request.target.rpartition("/")[2] for request in heard] == ["main", "batch"]
    assert not any("authorization" in request.headers for request in heard)


def test_the_token_stays_with_its_host() -> None:
    with (
        listener(Answer(HTTPStatus.OK)) as (elsewhere, heard),
        listener(redirect(elsewhere.url)) as (own, first),
        RetryingClient(HASTY, UploadCounter(), httpx2.URL(own.url)) as client,
    ):
        client.get(own.url, headers={"Authorization": f"Bearer {WRITER}"})
        client.get(elsewhere.url, headers={"Authorization": f"Bearer {WRITER}"})

    assert "authorization" in first[0].headers
    assert len(heard) == 2
    assert not any("authorization" in request.headers for request in heard)


def test_a_request_without_any_limit_gets_one() -> None:
    with listener(Answer(HTTPStatus.OK)) as (server, _):
        with (
            server.hold("/", times=None),
            RetryingClient(CURT, UploadCounter(), None) as client,
            pytest.raises(NetworkError, match="was silent for too long"),
        ):
            client.get(server.url, timeout=None)
        assert len(server.requests()) == CURT.tries


def test_an_answer_that_breaks_off_is_asked_for_again() -> None:
    with listener(json_answer({"held": "whole"})) as (server, _):
        server.cut("/", after=3)
        with RetryingClient(HASTY, UploadCounter(), None) as client:
            assert client.get(server.url).json() == {"held": "whole"}


def test_the_library_does_not_ask_for_ever_to_make_a_repository() -> None:
    busy = json_answer(
        {"error": "Cannot create repo: another conflicting operation is in progress"}, HTTPStatus.CONFLICT
    )
    with (
        listener(busy) as (server, heard),
        connected(HubTarget(REPOSITORY, endpoint=server.url), HASTY) as hub,
        pytest.raises(NetworkError, match="409"),
    ):
        hub.api.create_repo(REPOSITORY, repo_type=DATASET)

    assert len(heard) == HASTY.tries


def test_the_library_has_its_own_client_again_afterwards(target: HubTarget) -> None:
    with connected(target, HASTY):
        assert isinstance(get_session(), RetryingClient)

    assert not isinstance(get_session(), RetryingClient)


def test_a_hub_that_is_away_is_named(published: StoredPile) -> None:
    with listener(Answer(HTTPStatus.OK)) as (server, _):
        address = server.url

    with pytest.raises(NetworkError, match=f"{address}.* could not be reached"):
        push(published, HubTarget(REPOSITORY, endpoint=address), backoff=HASTY)


@pytest.mark.parametrize("address", ["ftp://hub.example", "hub.example", "http://hub:port"])
def test_what_is_no_address_is_refused(
    published: StoredPile, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", address)

    with pytest.raises(HubError, match="write HF_ENDPOINT as https://host"):
        push(published, HubTarget(REPOSITORY, endpoint=address), backoff=HASTY)


def test_a_hub_that_may_not_be_asked_is_not(
    published: StoredPile, target: HubTarget, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    with pytest.raises(HubError, match="HF_HUB_OFFLINE"):
        push(published, target, backoff=HASTY)

    assert hub.requests() == []


@pytest.mark.skipif(MISSING is not None, reason=str(MISSING))
def test_a_hub_whose_certificate_nobody_knows_is_refused_at_once(
    published: StoredPile, tmp_path: Path
) -> None:
    issued = issue(tmp_path / "tls", "localhost")
    with tls_front(issued.server, tmp_path / "nobody") as port:
        target = HubTarget(REPOSITORY, endpoint=f"https://127.0.0.1:{port}")
        with pytest.raises(HubError, match="is not trusted; name its authority in SSL_CERT_FILE"):
            push(published, target, backoff=HASTY)
