"""Faults that pass, wherever they strike a session that is streamed: it ends in the right counts."""

from pathlib import Path

import pytest

from spikemill.services.common.http import web_client
from tests.servers.fault_storage.faults import (
    cut_after,
    expired,
    longer,
    raw,
    shifted,
    silent,
    stall_after,
    status,
    unmeasured,
    with_body,
    with_headers,
)
from tests.servers.fault_storage.server import Fault, FaultStorage
from tests.servers.noting_limiter import NotingLimiter
from tests.unit.binner.remote.streamed import CONNECTIONS, Stored, bin_streamed, signed

BROKEN: dict[str, Fault] = {
    "no answer": raw(b""),
    "in the status line": raw(b"HTTP/1.1 20"),
    "in the headers": raw(b"HTTP/1.1 206 Partial Content\r\nContent-Len"),
    "before the first byte": cut_after(0),
    "after the first byte": cut_after(1),
    "in the middle": cut_after(5_000),
    "before the last byte": cut_after(-1),
}
SILENT: dict[str, Fault] = {
    "no answer": silent,
    "before the first byte": stall_after(0),
    "in the middle": stall_after(5_000),
}
WRONG: dict[str, Fault] = {
    "500": status(500),
    "503": status(503),
    "challenge": status(202, x_amzn_waf_action="challenge"),
    "web page": status(200, b"<html>Please wait</html>", Content_Type="text/html"),
    "web page as a part": with_headers(Content_Type="text/html; charset=utf-8"),
    "other start": shifted(start=1),
    "other stop": shifted(stop=-1),
    "no Content-Range": with_headers(Content_Range=None),
    "no sense": with_headers(Content_Range="bytes=0-1/2"),
    "packed": with_headers(Content_Encoding="gzip"),
    "error in place of the part": with_body(b"<Error><Code>InternalError</Code></Error>"),
    "too long": longer,
    "too long, and no length said": unmeasured(b"more"),
}

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("hasty")]
at_every_place = pytest.mark.parametrize("place", ["beginning", "structure", "spikes"])


@at_every_place
@pytest.mark.parametrize("where", BROKEN)
def test_a_broken_connection_is_resumed_where_it_broke(
    storage: FaultStorage, recording: Stored, tmp_path: Path, place: str, where: str
) -> None:
    storage.places = [(recording.places[place], BROKEN[where])]
    assert bin_streamed(storage, tmp_path / "chunk") == recording.binned
    assert storage.places == []
    assert storage.bytes_sent == recording.needed


@at_every_place
@pytest.mark.parametrize("where", SILENT)
def test_a_silent_connection_is_given_up_and_resumed(
    storage: FaultStorage, recording: Stored, tmp_path: Path, place: str, where: str
) -> None:
    storage.places = [(recording.places[place], SILENT[where])]
    with web_client(read=2, connections=CONNECTIONS) as client:
        assert bin_streamed(storage, tmp_path / "chunk", client=client) == recording.binned
    assert storage.places == []


@at_every_place
@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_answer_is_not_read_as_data(
    storage: FaultStorage, recording: Stored, tmp_path: Path, place: str, what: str
) -> None:
    storage.places = [(recording.places[place], WRONG[what])]
    assert bin_streamed(storage, tmp_path / "chunk") == recording.binned
    assert storage.places == []


@pytest.mark.parametrize("code", [429, 503])
def test_a_short_pause_is_kept(storage: FaultStorage, recording: Stored, tmp_path: Path, code: int) -> None:
    storage.places = [(recording.places["spikes"], status(code, Retry_After="1"))]
    limiter = NotingLimiter()
    assert bin_streamed(storage, tmp_path / "chunk", limiter=limiter) == recording.binned
    assert limiter.deferred == [(f"localhost:{storage.port}", 1)]


def test_answers_that_do_not_say_how_long_they_are(
    storage: FaultStorage, recording: Stored, tmp_path: Path
) -> None:
    storage.always = unmeasured()
    assert bin_streamed(storage, tmp_path / "chunk") == recording.binned
    assert storage.bytes_sent == recording.needed


def test_several_faults_in_a_row(storage: FaultStorage, recording: Stored, tmp_path: Path) -> None:
    place = recording.places["spikes"]
    storage.places = [
        (place, fault) for fault in (BROKEN["no answer"], WRONG["503"], BROKEN["in the middle"])
    ]
    assert bin_streamed(storage, tmp_path / "chunk") == recording.binned
    assert storage.places == []


def test_connections_that_often_break_get_there(
    storage: FaultStorage, recording: Stored, tmp_path: Path
) -> None:
    storage.always = cut_after(300_000)
    assert bin_streamed(storage, tmp_path / "chunk") == recording.binned
    assert storage.bytes_sent == recording.needed


@at_every_place
def test_for_an_expired_link_a_new_one_is_asked(
    storage: FaultStorage, recording: Stored, tmp_path: Path, place: str
) -> None:
    storage.places = [(recording.places[place], expired)]
    assert bin_streamed(storage, tmp_path / "chunk", signed(storage)) == recording.binned
    assert (storage.links, storage.api_requests) == (2, 2)


def test_where_the_public_address_refuses_a_signed_link_is_asked(
    storage: FaultStorage, recording: Stored, tmp_path: Path
) -> None:
    storage.storage_script = [status(403)]
    assert bin_streamed(storage, tmp_path / "chunk") == recording.binned
    assert storage.links == 1


def test_a_public_address_needs_no_link(storage: FaultStorage, recording: Stored, tmp_path: Path) -> None:
    assert bin_streamed(storage, tmp_path / "chunk") == recording.binned
    assert (storage.links, storage.api_requests) == (0, 1)
    assert {seen.if_match for seen in storage.seen[1:]} == {storage.etag}
