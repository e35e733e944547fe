"""Services that share nothing but a ledger, a broker and a bucket make the pile that one machine makes."""

import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from standins.archive.content import MadeUpArchive
from tests.acceptance.builds import NewPlace, Place
from tests.acceptance.running_builds import RunningBuild
from tests.acceptance.small_archives import VARIED_SOURCES
from tests.servers.s3.server import Request, S3Server, cut, refuse

_PROGRAM = Path(__file__).with_name("cluster_program.py")
_RELEASES = "SELECT array_agg(state::text) FROM releases WHERE state <> 'waiting'"
_COPIED = "SELECT sum(size)::bigint FROM assets"


@pytest.fixture
def prefix() -> str:
    """Name an empty part of the bucket."""
    return f"cluster/{uuid4().hex}"


@pytest.fixture
def place(new_place: NewPlace, varied: MadeUpArchive, s3: S3Server, prefix: str) -> Place:
    """Give a home, the varied archive, and the bucket as its store."""
    s3.requests()
    made = new_place(varied, *VARIED_SOURCES)
    made.environment = {**s3.environment(prefix), "SPIKEMILL_SCRATCH": str(hosts(made) / "command")}
    return made


@contextmanager
def deployed(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningBuild]:
    """Run all services, each with a scratch folder of its own, and queue everything."""
    with place.running([sys.executable, str(_PROGRAM), str(place.folder), str(hosts(place))]) as deployment:
        address = deployment.until(lambda: deployment.ledger.one("SELECT true")) and deployment.database_url()
        monkeypatch.setenv("SPIKEMILL_DATABASE_URL", address)
        queued = place.run("queue", "--catalog", str(place.catalogue))
        assert queued.returncode == 0, queued
        yield deployment


def hosts(place: Place) -> Path:
    return place.folder.with_suffix(".hosts")


def released(deployment: RunningBuild) -> bool:
    return bool(deployment.ledger.one(_RELEASES) == ["published"])


def pile_in(s3: S3Server, prefix: str) -> dict[str, str]:
    """Return the sha256 of every file of the pile that stands in the bucket, by name."""
    client = s3.client()

    def content(name: str) -> bytes:
        body: bytes = client.get_object(Bucket=s3.bucket, Key=f"{prefix}/{name}")["Body"].read()
        return body

    pile = json.loads(content("CURRENT.json"))["pile"]
    return {
        name: hashlib.sha256(content(f"{pile}/{name}")).hexdigest() for name in s3.names(f"{prefix}/{pile}/")
    }


def check_nothing_is_left(place: Place, s3: S3Server, prefix: str) -> None:
    """See that neither the bucket nor a host keeps a copy, and that no pile came into being elsewhere."""
    assert s3.names(f"{prefix}/spool/") == []
    assert not [path for path in hosts(place).rglob("*") if path.is_file()]
    assert not list(place.home.chunks.iterdir())


def in_spool(requests: list[Request], prefix: str) -> tuple[int, int]:
    """Return how many bytes went up to the spool and came down from it."""
    met = [request for request in requests if f"{prefix}/spool/" in request.path]
    return sum(request.sent for request in met), sum(request.received for request in met)


def test_hosts_of_their_own_make_the_same_pile(
    place: Place, s3: S3Server, prefix: str, undisturbed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with deployed(place, monkeypatch) as deployment:
        deployment.until(lambda: released(deployment))
        copied = deployment.ledger.one(_COPIED)
        requests = s3.requests()
        assert pile_in(s3, prefix) == undisturbed
        told = place.run("verify", f"s3://{s3.bucket}/{prefix}")
        assert told.returncode == 0, told
        assert "is whole" in told.stdout
    check_nothing_is_left(place, s3, prefix)
    assert {name.partition("/")[0] for name in s3.names(f"{prefix}/")} == {
        "CURRENT.json",
        "chunks",
        "ledger-id",
        "piles",
    }
    # A copy travels once up and once down.
    assert in_spool(requests, prefix) == (copied, copied)


@pytest.mark.chaos
def test_kills_and_a_bucket_in_trouble_change_nothing(
    place: Place, s3: S3Server, prefix: str, undisturbed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        place.archive.hold("^/storage/", times=None) as all_content,
        deployed(place, monkeypatch) as deployment,
    ):
        deployment.ledger.freeze_one("fetch").kill()
        s3.fail(
            refuse(f"PUT .*{prefix}/spool", 503, "SlowDown", times=5),
            refuse(f"PUT .*{prefix}/chunks", 500, "InternalError", times=5),
            cut(f"GET .*{prefix}/chunks", after=100, times=5),
        )
        all_content.release()
        deployment.ledger.freeze_one("bin").kill()
        deployment.ledger.freeze_one("shard").kill()
        deployment.until(lambda: released(deployment))
    s3.fail()
    assert pile_in(s3, prefix) == undisturbed
    check_nothing_is_left(place, s3, prefix)
