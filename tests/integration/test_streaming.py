"""A session that the binner streams: from an archive over HTTP, through HDF5, into store and ledger."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

from spikemill.services.binner.readers.base import CopiedFile
from spikemill.services.binner.session import ReaderSettings, bin_session, bin_streamed_session
from spikemill.services.cli.made_up import Recording
from spikemill.services.common.catalog import source_from_record
from spikemill.services.common.database import transaction
from spikemill.services.common.errors import AssetError, NoRangesError, RecordingError, SupersededError
from spikemill.services.common.ledger import admin
from spikemill.services.common.ledger.jobs import Claim, Result
from spikemill.services.common.models import JobKind, JobState, Outcome
from spikemill.services.common.settings import settings
from spikemill.services.common.store import open_store
from spikemill.services.common.types import Asset as ListedAsset
from spikemill.services.common.types import PlannedSession, SessionNames
from spikemill.services.common.worker.runner import Heartbeat
from standins.archive.content import ArchiveFile, MadeUpArchive
from standins.archive.server import ArchiveServer, serve
from tests.acceptance.small_archives import asset, dandi_source, dandiset
from tests.integration import ledgers

# Larger than what is read whole: its amplitudes are not fetched.
_LARGE = Recording("m0", "a", units=200, seconds=300, amplitudes=True)
_PROBES = [Recording("m0", "a", units=8, seconds=60, probe=probe) for probe in "AB"]
_STORAGE = "^/storage/"


@pytest.fixture(autouse=True)
def _places(ledger: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the test a store and a spool, and an API without a limit."""
    monkeypatch.setenv("SPIKEMILL_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("SPIKEMILL_SPOOL", str(tmp_path / "spool"))
    monkeypatch.setenv("SPIKEMILL_REQUESTS_PER_MINUTE", "60000")
    settings.cache_clear()
    assert ledger


@pytest.fixture
def large(tmp_path: Path) -> ArchiveFile:
    return asset(_LARGE, tmp_path)


@pytest.fixture
def probes(tmp_path: Path) -> list[ArchiveFile]:
    return [asset(recording, tmp_path) for recording in _PROBES]


@contextmanager
def served(*files: ArchiveFile, fetch: str = "stream") -> Iterator[ArchiveServer]:
    """Serve files as one session, and let its source be planned."""
    with serve(MadeUpArchive([dandiset("990101", files)])) as server:
        entry = source_from_record(dandi_source("maze", "990101", api=server.dandi_api, fetch=fetch))
        ledgers.ask(sources=[replace(ledgers.source("maze"), config=entry.model_dump(mode="json"))])
        ledgers.plan([PlannedSession("a", "a", "sub-m0", [listed(file) for file in files])])
        ledgers.sweep_once()
        yield server


def listed(file: ArchiveFile) -> ListedAsset:
    digests = {"dandi-etag": file.digests.dandi_etag}
    return ListedAsset(file.asset_id, file.path, file.size, digests)


def claim() -> Claim:
    return ledgers.claim(ledgers.one_ready(JobKind.STREAM).id)


def stream(claimed: Claim) -> Result:
    with Heartbeat(claimed) as heartbeat:
        return bin_streamed_session(claimed, heartbeat)


def chunks() -> list[str]:
    return list(open_store().files("chunks"))


def sent(server: ArchiveServer, pattern: str = _STORAGE) -> tuple[int, int]:
    """Return how many bytes of content were sent, and with how many answers."""
    entries = server.requests(pattern)
    return sum(entry.bytes_sent for entry in entries), len(entries)


def test_a_streamed_session_has_the_chunk_that_its_copy_would_have(
    large: ArchiveFile, tmp_path: Path
) -> None:
    with served(large) as server:
        claimed = claim()
        ledgers.finish(claimed, stream(claimed))
        travelled, requests = sent(server)
    (session,) = ledgers.sessions()
    assert isinstance(large.content, Path)
    copied = bin_session(
        [CopiedFile(large.content)],
        ReaderSettings("nwb-units"),
        SessionNames("maze", "sub-m0", "a"),
        tmp_path / "copied.parquet",
    )
    assert session.chunk_sha256 == copied.chunk_sha256
    assert open_store().files("chunks") == {session.chunk: copied.chunk_bytes}
    (found,) = ledgers.assets()
    assert (found.verified_by, found.sha256, found.local_path) == ("etag", None, None)
    assert (found.bytes_downloaded, found.range_requests) == (travelled, requests)
    assert 0 < travelled < 0.8 * large.size
    assert not (tmp_path / "spool").exists()


def test_the_files_of_a_session_are_streamed_in_their_order(probes: list[ArchiveFile]) -> None:
    with served(*probes) as server:
        claimed = claim()
        ledgers.finish(claimed, stream(claimed))
        assert sum(found.bytes_downloaded for found in ledgers.assets()) == sent(server)[0]
    assert [found.bytes_downloaded for found in ledgers.assets()] == [file.size for file in probes]
    assert ledgers.sessions()[0].n_units == 16


def test_what_travelled_is_counted_also_where_nothing_came_of_it(tmp_path: Path) -> None:
    without_units = asset(Recording("m0", "a", units=0, seconds=2, channels=16), tmp_path)
    with served(without_units) as server:
        with pytest.raises(RecordingError, match=f"^{without_units.path}: .*units"):
            stream(claim())
        assert (ledgers.assets()[0].bytes_downloaded, ledgers.assets()[0].range_requests) == sent(server)
    assert ledgers.assets()[0].bytes_downloaded > 0
    assert ledgers.assets()[0].verified_by is None
    assert chunks() == []


def test_a_file_that_is_gone_fails_the_session_that_others_were_opened_for(probes: list[ArchiveFile]) -> None:
    with served(*probes) as server:
        server.fail(f"{_STORAGE}.*{probes[1].blob_id}", status=404, times=None)
        with pytest.raises(AssetError, match=probes[1].path):
            stream(claim())
    first, second = ledgers.assets()
    assert (first.bytes_downloaded, second.bytes_downloaded) == (probes[0].size, 0)


def test_each_attempt_asks_the_archive_for_the_link_anew(probes: list[ArchiveFile]) -> None:
    with served(probes[0]) as server:
        server.fail(_STORAGE, status=404)
        first = claim()
        with pytest.raises(AssetError) as failure:
            stream(first)
        ledgers.fail(first, failure.value)
        with transaction() as ledger:
            admin.retry_dead(ledger)
        ledgers.sweep_once()
        second = claim()
        ledgers.finish(second, stream(second))
        assert len(server.requests(f"{probes[0].asset_id}/$")) == 2
    assert ledgers.outcomes(first.job) == [Outcome.FAILED, Outcome.DONE]


def test_a_server_without_ranges_has_the_session_copied(large: ArchiveFile) -> None:
    with served(large, fetch="stream-or-copy") as server:
        server.fail(_STORAGE, status=200, body=b"whole", times=None)
        claimed = claim()
        with pytest.raises(NoRangesError) as failure:
            stream(claimed)
        assert ledgers.fail(claimed, failure.value) is JobState.BLOCKED
    ledgers.sweep_once()
    assert len(ledgers.ready(JobKind.FETCH)) == 1


def test_a_stream_that_nobody_waits_for_any_more_ends_when_more_of_it_arrives(
    large: ArchiveFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPIKEMILL_HEARTBEAT", "PT0.05S")
    settings.cache_clear()
    with served(large) as server, server.hold(_STORAGE, after=1000) as held:
        claimed = claim()
        with Heartbeat(claimed) as heartbeat:

            def skip() -> None:
                held.wait_until_reached()
                with transaction() as ledger:
                    admin.skip(ledger, "a", "noise")
                while not is_lost(heartbeat):
                    time.sleep(0.01)
                held.release()

            person = Thread(target=skip)
            person.start()
            with pytest.raises(SupersededError):
                bin_streamed_session(claimed, heartbeat)
            person.join()
    assert chunks() == []
    assert ledgers.only(JobKind.STREAM).state is JobState.SKIPPED


def is_lost(heartbeat: Heartbeat) -> bool:
    try:
        heartbeat.check()
    except SupersededError:
        return True
    return False
