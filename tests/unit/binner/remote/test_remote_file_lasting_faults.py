"""Faults that no patience helps against: a session that is streamed ends in one clear error, and no file."""

import threading
from pathlib import Path
from typing import Any

import pytest

from spikemill.services.common.errors import (
    AssetError,
    DamagedDownloadError,
    NetworkError,
    NoRangesError,
    SpikemillError,
)
from spikemill.services.common.http import web_client
from tests.servers.fault_storage.faults import (
    changed_to,
    cut_after,
    longer,
    raw,
    shifted,
    silent,
    status,
    unmeasured,
    whole,
    with_headers,
)
from tests.servers.fault_storage.server import SIGNATURE, Fault, FaultStorage, serve_storage
from tests.servers.noting_limiter import NotingLimiter
from tests.unit.binner.remote.streamed import CONNECTIONS, PATH, Stored, bin_streamed, signed

pytestmark = pytest.mark.usefixtures("hasty")

NEVER: dict[str, tuple[Fault, type[SpikemillError], str]] = {
    "no answer": (raw(b""), NetworkError, "connection broke"),
    "nothing but a byte": (cut_after(1), NetworkError, "connection broke"),
    "403": (status(403), NetworkError, "403"),
    "404": (status(404), AssetError, "404 Not Found"),
    "410": (status(410), AssetError, "410 Gone"),
    "416": (status(416), DamagedDownloadError, "ends before"),
    "503": (status(503), NetworkError, "503 Service Unavailable"),
    "web page": (status(200, b"<html>", Content_Type="text/html"), NetworkError, "web page"),
    "other start": (shifted(start=1), NetworkError, "another part"),
    "other stop": (shifted(stop=-1), NetworkError, "another part"),
    "other size": (shifted(size=1), DamagedDownloadError, "bytes and has"),
    "no Content-Range": (with_headers(Content_Range=None), NetworkError, "another part"),
    "packed": (with_headers(Content_Encoding="gzip"), NetworkError, "compressed"),
    "too long": (longer, NetworkError, "another part"),
    "too long, and no length said": (unmeasured(b"more"), NetworkError, "longer than the part"),
    "the whole": (whole, NoRangesError, 'whole file, where a part was asked for; write fetch = "copy"'),
}
"""What every request meets, the error, and a part of its text."""

MIDWAY: dict[str, tuple[Fault, type[SpikemillError], str]] = {
    "changed": (changed_to('"second"'), DamagedDownloadError, "was changed in its archive"),
    "changed, If-Match ignored": (with_headers(ETag='"second"'), DamagedDownloadError, "was changed"),
    "no ETag any more": (with_headers(ETag=None), DamagedDownloadError, "was changed"),
    "other size": (shifted(size=1), DamagedDownloadError, "bytes and has"),
    "cut off": (status(416), DamagedDownloadError, "ends before"),
    "gone": (status(404), AssetError, "404 Not Found"),
    "the whole": (whole, NoRangesError, "sends the whole file"),
}
"""What one request meets after others went well."""


def refused(
    storage: FaultStorage, chunk: Path, kind: type[SpikemillError], *others: Any, **options: Any
) -> SpikemillError:
    """Return the error, which names the file and no signed link; neither file nor thread is left."""
    with pytest.raises(SpikemillError) as caught:
        bin_streamed(storage, chunk, *others, **options)
    text = str(caught.value)
    assert isinstance(caught.value, kind), text
    assert PATH in text
    assert SIGNATURE not in text
    assert "?" not in text
    assert list(chunk.parent.iterdir()) == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("range")]
    return caught.value


@pytest.mark.parametrize("what", NEVER)
def test_a_storage_that_never_answers_rightly(storage: FaultStorage, tmp_path: Path, what: str) -> None:
    storage.always, kind, told = NEVER[what]
    error = refused(storage, tmp_path / "chunk", kind)
    assert type(error) is kind or what == "403"
    assert told in str(error)


@pytest.mark.parametrize("place", ["structure", "spikes"])
@pytest.mark.parametrize("what", MIDWAY)
def test_an_object_that_is_another_midway(
    storage: FaultStorage, recording: Stored, tmp_path: Path, what: str, place: str
) -> None:
    fault, kind, told = MIDWAY[what]
    storage.places = [(recording.places[place], fault)]
    assert told in str(refused(storage, tmp_path / "chunk", kind))


@pytest.mark.parametrize("etag", [None, 'W/"first"', '"\xe9"', " "])
def test_a_storage_that_does_not_name_its_objects(
    storage: FaultStorage, tmp_path: Path, etag: str | None
) -> None:
    storage.etag = etag
    assert "ETag" in str(refused(storage, tmp_path / "chunk", NoRangesError))


@pytest.mark.parametrize("code", [429, 503])
def test_a_long_pause_is_left_to_the_ledger(
    storage: FaultStorage, recording: Stored, tmp_path: Path, code: int
) -> None:
    storage.places = [(recording.places["spikes"], status(code, Retry_After="3600"))]
    limiter = NotingLimiter()
    error = refused(storage, tmp_path / "chunk", NetworkError, limiter=limiter)
    assert isinstance(error, NetworkError)
    assert error.retry_after == 3600
    assert limiter.deferred == [(f"localhost:{storage.port}", 3600)]


def test_a_storage_that_says_nothing(storage: FaultStorage, tmp_path: Path) -> None:
    storage.always = silent
    with web_client(read=0.05, connections=CONNECTIONS) as client:
        error = refused(storage, tmp_path / "chunk", NetworkError, client=client)
    assert "silent for too long" in str(error)


def test_links_that_run_out_at_once(storage: FaultStorage, tmp_path: Path) -> None:
    storage.always = status(403)
    refused(storage, tmp_path / "chunk", NetworkError, signed(storage))
    assert storage.links == len(storage.seen)


@pytest.mark.parametrize(
    ("fault", "kind"), [(status(401), AssetError), (status(404), AssetError), (status(503), NetworkError)]
)
def test_an_archive_that_gives_no_link(
    storage: FaultStorage, tmp_path: Path, fault: Fault, kind: type[SpikemillError]
) -> None:
    storage.api_script = [fault] * 5
    refused(storage, tmp_path / "chunk", kind)
    assert storage.seen == []


@pytest.mark.parametrize("difference", [-1, 1, -5_000_000, 5_000_000])
def test_an_object_of_another_size_than_listed(
    storage: FaultStorage, recording: Stored, tmp_path: Path, difference: int
) -> None:
    size = len(recording.data) + difference
    error = refused(storage, tmp_path / "chunk", DamagedDownloadError, size=size)
    assert f"lists {size} bytes" in str(error)


@pytest.mark.parametrize("size", [900, 1100])
def test_a_small_object_of_another_size_than_listed(tmp_path: Path, size: int) -> None:
    with serve_storage(bytes(1000)) as small:
        error = refused(small, tmp_path / "chunk", DamagedDownloadError, size=size)
    assert f"lists {size} bytes and has 1000" in str(error)
