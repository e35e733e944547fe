"""Who may do what at the made-up hub."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from huggingface_hub import HfApi, close_session
from huggingface_hub.errors import HfHubHTTPError

from standins.hub.access import Role
from standins.hub.server import serve_hub

Login = Callable[[str | None], HfApi]

_ROLES = {"hf_writer": Role.WRITE, "hf_reader": Role.READ}


@pytest.fixture
def login(folder: Path) -> Iterator[Login]:
    """Give clients of a hub that knows two tokens, and holds a private dataset."""
    with serve_hub(folder, token=_ROLES) as server:

        def client(token: str | None) -> HfApi:
            return HfApi(server.url, token=token or False)

        client("hf_writer").create_repo("lab/spikes", repo_type="dataset", private=True)
        yield client
        close_session()


def _refusal(call: Callable[[], object]) -> tuple[int, str]:
    with pytest.raises(HfHubHTTPError) as refused:
        call()
    return refused.value.response.status_code, str(refused.value)


def _create(api: HfApi) -> object:
    return api.create_repo("lab/new", repo_type="dataset")


@pytest.mark.parametrize(("token", "role"), [("hf_writer", "write"), ("hf_reader", "read")])
def test_a_token_has_a_role(login: Login, token: str, role: str) -> None:
    assert login(token).whoami()["auth"]["accessToken"]["role"] == role


def test_a_reader_reads(login: Login) -> None:
    assert login("hf_reader").dataset_info("lab/spikes").private
    status, told = _refusal(lambda: _create(login("hf_reader")))
    assert status == 403
    assert "write access" in told


@pytest.mark.parametrize("token", [None, "hf_unknown"])
def test_others_are_refused(login: Login, token: str | None) -> None:
    assert _refusal(lambda: _create(login(token)))[0] == 401
    assert _refusal(lambda: login(token).dataset_info("lab/spikes"))[0] == 401


def test_what_is_public_is_for_all(login: Login) -> None:
    _create(login("hf_writer"))
    assert login(None).dataset_info("lab/new").id == "lab/new"


def test_where_everybody_may_write_nobody_has_a_name(plain: httpx.Client) -> None:
    assert plain.get("/api/whoami-v2").status_code == 401
    name = plain.get("/api/whoami-v2", headers={"Authorization": "Bearer any"}).json()["name"]
    assert name == "made-up"
