"""Where an asset can be read in parts: public storage first, then signed links, each asked for anew."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from spikemill.services.common.archives import open_archive
from spikemill.services.common.archives.dandi import DandiArchive
from spikemill.services.common.archives.figshare import FigshareArchive
from spikemill.services.common.catalog import source_from_record
from spikemill.services.common.errors import AssetError, NetworkError
from spikemill.services.common.rate_limit import RateLimiter, Unlimited
from spikemill.services.common.types import Asset
from tests.servers.noting_limiter import NotingLimiter
from tests.servers.scripted_api import Reply, ScriptedApi, serve_script


def dandi(address: str, limiter: RateLimiter | None = None) -> DandiArchive:
    """Return a dandiset of the API at an address."""
    return DandiArchive(address, "000021", "0.1.1", limiter or Unlimited())


def figshare(address: str) -> FigshareArchive:
    """Return an article of the API at an address."""
    return FigshareArchive(address, "77", 1, Unlimited())


ASSET = Asset("a1", "sub-1/x.nwb", 4)
PUBLIC = "https://storage.test/blobs/0a1"
SIGNED = "https://storage.test/blobs/0a1?X-Amz-Signature=1"


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    """An API whose answers each test scripts."""
    with serve_script() as script:
        yield script


def describe(api: ScriptedApi, *addresses: str) -> None:
    """Let the API say where the asset's content is."""
    own = f"{api.address}/assets/a1/download/"
    api.answers("/assets/a1/", Reply({"contentUrl": [own, *addresses]}))


def redirect(address: str) -> Reply:
    return Reply(b"", status=302, headers={"Location": address})


def test_dandis_public_address_comes_first_and_signed_links_when_it_refused(api: ScriptedApi) -> None:
    describe(api, PUBLIC)
    api.answers("/assets/a1/download/", redirect(SIGNED), redirect(f"{SIGNED}2"))
    links = dandi(api.address)

    assert [links.resolve(ASSET).address for _ in range(3)] == [PUBLIC, SIGNED, f"{SIGNED}2"]
    assert api.requests == ["/assets/a1/", "/assets/a1/download/", "/assets/a1/download/"]


def test_each_asset_has_its_own_public_address(api: ScriptedApi) -> None:
    describe(api, PUBLIC)
    api.answers("/assets/b2/", Reply({"contentUrl": [f"{PUBLIC}/b"]}))
    links = dandi(api.address)

    assert links.resolve(ASSET).address == PUBLIC
    assert links.resolve(Asset("b2", "sub-1/y.nwb", 4)).address == f"{PUBLIC}/b"


@pytest.mark.parametrize("addresses", [(), (SIGNED,)])
def test_without_a_public_address_a_signed_link_is_taken(
    api: ScriptedApi, addresses: tuple[str, ...]
) -> None:
    describe(api, *addresses)
    api.answers("/assets/a1/download/", redirect(f"{SIGNED}9"))

    assert dandi(api.address).resolve(ASSET).address == f"{SIGNED}9"


def test_figshare_gives_a_signed_link_each_time(api: ScriptedApi) -> None:
    api.answers("/file/download/a1", redirect(SIGNED), redirect(f"{SIGNED}2"))
    links = figshare(api.address)

    assert [links.resolve(ASSET).address for _ in range(2)] == [SIGNED, f"{SIGNED}2"]


def test_an_api_that_serves_the_file_itself_is_its_storage(api: ScriptedApi) -> None:
    api.answers("/file/download/a1", redirect(f"{api.address}/files/a1"))
    api.answers("/files/a1", Reply(b"spikes"))

    assert figshare(api.address).resolve(ASSET).address == f"{api.address}/files/a1"


def test_every_request_to_the_api_waits_for_its_slot(api: ScriptedApi) -> None:
    describe(api, PUBLIC)
    api.answers("/assets/a1/download/", redirect(SIGNED))
    limiter = NotingLimiter()
    links = dandi(api.address, limiter)
    links.resolve(ASSET)
    links.resolve(ASSET)

    assert len(limiter.slots) == len(api.requests) == 2


@pytest.mark.parametrize(
    ("reply", "error", "text"),
    [
        (Reply({"detail": "no"}, status=401), AssetError, "embargoed or private"),
        (Reply({"detail": "Not found."}, status=404), AssetError, "there is nothing of this name"),
        (Reply(b"", status=503, headers={"Retry-After": "7"}), NetworkError, "503"),
        (Reply(b"<html>", status=202), NetworkError, "not what was asked for"),
    ],
)
def test_a_refusal_says_what_it_means(
    api: ScriptedApi, reply: Reply, error: type[Exception], text: str
) -> None:
    api.answers("/file/download/a1", reply)

    with pytest.raises(error, match=text):
        figshare(api.address).resolve(ASSET)


def test_a_circle_ends(api: ScriptedApi) -> None:
    api.answers("/file/download/a1", redirect(f"{api.address}/file/download/a1"))

    with pytest.raises(NetworkError, match="without end"):
        figshare(api.address).resolve(ASSET)


def test_metadata_of_another_form_are_refused(api: ScriptedApi) -> None:
    api.answers("/assets/a1/", Reply({"contentUrl": "everywhere"}))

    with pytest.raises(AssetError, match="contentUrl"):
        dandi(api.address).resolve(ASSET)


def test_a_folders_files_are_read_where_they_lie(tmp_path: Path) -> None:
    (tmp_path / "a.nwb").write_bytes(b"x")
    folder = source_from_record({"name": "s", "archive": "files", "identifier": str(tmp_path)})

    location = open_archive(folder).resolve(Asset("a.nwb", "a.nwb", 1))
    assert (location.address, location.is_local) == (str(tmp_path / "a.nwb"), True)
