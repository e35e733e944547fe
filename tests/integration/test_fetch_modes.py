"""Sessions that are streamed, and sessions that change from one way to the other."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from spikemill.services.common.database import transaction
from spikemill.services.common.errors import (
    AssetError,
    DamagedDownloadError,
    NetworkError,
    NoRangesError,
    RecordingError,
    SupersededError,
)
from spikemill.services.common.ledger import admin, build_queries, dispatch, jobs, repair
from spikemill.services.common.ledger.builds import OpenedBuild
from spikemill.services.common.models import JobDependency, JobKind, JobState, Outcome, ReleaseState
from tests.integration import ledgers

NO_RANGES = NoRangesError("The server serves no parts.")


def planned(sessions: int = 1, *, assets: int = 1, fetch: str = "stream") -> OpenedBuild:
    """Bring a source to where its sessions are fetched or streamed."""
    opened = ledgers.ask("a", fetch=fetch)
    ledgers.plan(ledgers.listing("a", sessions, assets=assets))
    ledgers.sweep_once()
    return opened


def change(fetch: str) -> OpenedBuild:
    """Ask for the same build with another `fetch` in its entry."""
    opened = ledgers.ask("a", fetch=fetch)
    ledgers.sweep_once()
    return opened


def kill(kind: JobKind, error: Exception | None = None) -> int:
    """Let the first job of a kind that is ready fail for good; return it."""
    claimed = ledgers.claim(ledgers.ready(kind)[0].id)
    assert ledgers.fail(claimed, error or AssetError("It is gone.")) is JobState.DEAD
    return claimed.job


def dependencies() -> int:
    with transaction() as ledger:
        return len(ledger.scalars(select(JobDependency.job_id)).all())


def failures(build: int) -> list[build_queries.Failure]:
    with transaction() as ledger:
        return list(build_queries.failures_of(ledger, build))


def retry() -> int:
    with transaction() as ledger:
        return admin.retry_dead(ledger)


# Streamed from the beginning


@pytest.mark.parametrize("fetch", ["stream", "stream-or-copy"])
def test_a_streamed_source_has_a_job_per_session_that_waits_for_nothing(fetch: str) -> None:
    planned(3, assets=2, fetch=fetch)
    assert [job.state for job in ledgers.jobs(JobKind.STREAM)] == [JobState.READY] * 3
    assert ledgers.jobs(JobKind.FETCH) == ledgers.jobs(JobKind.BIN) == []
    assert (dependencies(), ledgers.reserved()) == (0, 0)


def test_streamed_sessions_need_no_room_and_do_not_stand_in_line_for_it() -> None:
    ledgers.ask(sources=[ledgers.source("a"), ledgers.source("b", fetch="stream")])
    for name in "ab":
        ledgers.plan(ledgers.listing(name, 2), ledgers.plan_of(name))
    for _ in range(2):
        ledgers.sweep_once(capacity=100)
    assert len(ledgers.ready(JobKind.STREAM)) == 2
    assert ledgers.reserved() == 100
    assert len(ledgers.ready(JobKind.FETCH)) == 1


def test_a_stream_records_its_counts_and_what_was_verified_together() -> None:
    planned(assets=2)
    claimed = ledgers.claim(ledgers.only(JobKind.STREAM).id)
    ledgers.finish(claimed, ledgers.streamed(claimed))
    (session,) = ledgers.sessions()
    assert session.chunk is not None
    for asset in ledgers.assets():
        assert (asset.verified_by, asset.sha256, asset.local_path) == ("etag", None, None)
        assert asset.fetched_at is not None


def test_what_a_copy_had_verified_is_not_said_of_a_stream() -> None:
    planned(fetch="copy")
    ledgers.complete()
    assert ledgers.assets()[0].sha256
    with transaction() as ledger:
        repair.reopen_session(ledger, ledgers.sessions()[0].id, "Its chunk is gone.")
    change("stream")
    ledgers.complete()
    assert (ledgers.assets()[0].verified_by, ledgers.assets()[0].sha256) == ("etag", None)


def test_a_build_of_streamed_sessions_is_published() -> None:
    opened = ledgers.done_build(fetch="stream")
    ledgers.publish()
    assert ledgers.release(opened.release).state is ReleaseState.PUBLISHED


def test_only_sessions_within_the_limit_are_streamed() -> None:
    opened = ledgers.ask("a", fetch="stream", session_limit=1)
    ledgers.plan(ledgers.listing("a", 3))
    ledgers.sweep_once()
    assert len(ledgers.ready(JobKind.STREAM)) == 1
    ledgers.complete()
    ledgers.publish()
    assert ledgers.release(opened.release).state is ReleaseState.PUBLISHED
    assert len(ledgers.jobs(JobKind.STREAM, JobState.DONE)) == 1


def test_a_worker_of_another_format_does_not_stream() -> None:
    ledgers.ask(sources=[ledgers.source("a", format_id="another", fetch="stream")])
    ledgers.plan(ledgers.listing("a", 1))
    ledgers.sweep_once()
    with transaction() as ledger:
        assert jobs.claim(ledger, ledgers.only(JobKind.STREAM).id) is None


def test_a_session_that_is_streamed_counts_as_binning_and_one_that_waits_as_queued() -> None:
    build = planned(3).build
    ledgers.claim(ledgers.ready(JobKind.STREAM)[0].id)
    ledgers.stream_one(ledgers.ready(JobKind.STREAM)[0].id)
    with transaction() as ledger:
        (found,) = build_queries.progress_of(ledger, build)
    assert (found.queued, found.fetching, found.binning, found.done) == (1, 0, 1, 1)


def test_a_build_that_streams_is_runnable_until_nothing_can_go_on() -> None:
    build = planned().build
    assert ledgers.status(build).runnable > 0
    claimed = ledgers.claim(ledgers.only(JobKind.STREAM).id)
    assert ledgers.status(build).runnable > 0
    ledgers.fail(claimed, RecordingError("No units."))
    assert ledgers.status(build).runnable == 0


def test_a_dead_stream_keeps_the_gate_shut_unless_it_may_be_missing() -> None:
    planned()
    kill(JobKind.STREAM)
    ledgers.sweep_once()
    assert ledgers.jobs(JobKind.FREEZE) == []
    opened = ledgers.ask("a", fetch="stream", allow_missing=True)
    ledgers.sweep_once()
    ledgers.freeze()
    assert [left["path"] for left in ledgers.release(opened.release).missing or ()] == ["sub-0/a-0.nwb"]


def test_a_failed_stream_names_source_session_and_file() -> None:
    build = planned().build
    kill(JobKind.STREAM)
    (failure,) = failures(build)
    assert (failure.kind, failure.state, failure.source) == ("stream", "dead", "a")
    assert (failure.session, failure.file) == ("a/sub-0/a-0", "sub-0/a-0.nwb")
    with transaction() as ledger:
        (left_out,) = build_queries.left_out_of(ledger, build)
    assert left_out.error == "It is gone."


@pytest.mark.parametrize("error", [NetworkError("Away."), DamagedDownloadError("Other bytes came.")])
def test_a_stream_that_is_tried_again_is_streamed_again(error: Exception) -> None:
    planned()
    claimed = ledgers.claim(ledgers.only(JobKind.STREAM).id)
    assert ledgers.fail(claimed, error) is JobState.READY
    assert ledgers.only(JobKind.STREAM).failures == 1


def test_a_stream_that_vanishes_counts_as_a_crash() -> None:
    planned()
    job = ledgers.only(JobKind.STREAM).id
    for _ in range(3):
        ledgers.set_job(job, not_before=ledgers.sources()[0].created_at)
        ledgers.claim(job)
        ledgers.expire(job)
        with transaction() as ledger:
            assert dispatch.expire_leases(ledger) == 1
    assert ledgers.job(job).state is JobState.DEAD


def test_a_dead_stream_is_retried() -> None:
    planned()
    job = kill(JobKind.STREAM)
    assert (retry(), retry()) == (1, 0)
    ledgers.sweep_once()
    assert ledgers.claim(job).attempt == 2
    assert ledgers.job(job).failures == 0


def test_skipping_withdraws_a_stream_that_runs() -> None:
    planned()
    claimed = ledgers.claim(ledgers.only(JobKind.STREAM).id)
    with transaction() as ledger:
        admin.skip(ledger, "a-0", "noise")
    with pytest.raises(SupersededError):
        ledgers.finish(claimed, ledgers.streamed(claimed))
    with transaction() as ledger:
        assert not jobs.heartbeat(ledger, claimed)
    assert ledgers.outcomes(claimed.job) == [Outcome.WITHDRAWN]
    assert ledgers.only(JobKind.STREAM).state is JobState.SKIPPED


def test_cancel_withdraws_a_stream_and_the_next_build_goes_on() -> None:
    planned(2)
    claimed = ledgers.claim(ledgers.ready(JobKind.STREAM)[0].id)
    with transaction() as ledger:
        admin.cancel_builds(ledger)
    with pytest.raises(SupersededError):
        ledgers.finish(claimed, ledgers.streamed(claimed))
    assert ledgers.ready(JobKind.STREAM) == []
    change("stream")
    ledgers.complete()
    assert [job.attempt for job in ledgers.jobs(JobKind.STREAM, JobState.DONE)] == [2, 1]


def test_a_pruned_session_is_streamed_again_by_the_next_build_that_wants_it() -> None:
    ledgers.done_build(fetch="stream")
    ledgers.publish()
    with transaction() as ledger:
        assert len(admin.prune_chunks(ledger)) == 2
    ledgers.sweep_once()
    assert ledgers.ready(JobKind.STREAM) == []
    ledgers.ask("a", fetch="stream", parameters={"seed": 1})
    ledgers.complete()
    ledgers.publish()
    assert [job.attempt for job in ledgers.jobs(JobKind.STREAM)] == [2, 2]
    assert ledgers.jobs(JobKind.FETCH) == []


def test_a_session_whose_chunk_is_lost_is_streamed_again_and_too_often_is_dead() -> None:
    planned()
    ledgers.complete()
    for lost in range(1, 5):
        with transaction() as ledger:
            repair.reopen_session(ledger, ledgers.sessions()[0].id, "Its chunk is gone.")
        if lost < 4:
            ledgers.complete()
            assert ledgers.only(JobKind.STREAM).state is JobState.DONE
    assert ledgers.only(JobKind.STREAM).state is JobState.DEAD
    retry()
    ledgers.complete()
    assert ledgers.only(JobKind.STREAM).state is JobState.DONE


# Handed over to copying


def test_what_cannot_be_streamed_is_copied_where_its_source_allows_it() -> None:
    build = planned(assets=2, fetch="stream-or-copy").build
    claimed = ledgers.claim(ledgers.only(JobKind.STREAM).id)
    assert ledgers.fail(claimed, NO_RANGES) is JobState.BLOCKED
    job = ledgers.only(JobKind.BIN)
    assert (job.id, job.failures, job.error) == (claimed.job, 0, None)
    assert ledgers.outcomes(job.id) == [Outcome.HANDED_OVER]
    assert failures(build) == []
    ledgers.sweep_once()
    assert ledgers.reserved() == 200
    assert len(ledgers.ready(JobKind.FETCH)) == 2
    ledgers.complete()
    assert (ledgers.only(JobKind.BIN).state, ledgers.only(JobKind.BIN).attempt) == (JobState.DONE, 2)
    ledgers.publish()


def test_what_was_handed_over_is_copied_again_not_streamed_again() -> None:
    planned(fetch="stream-or-copy")
    ledgers.fail(ledgers.claim(ledgers.only(JobKind.STREAM).id), NO_RANGES)
    ledgers.complete()
    with transaction() as ledger:
        repair.reopen_session(ledger, ledgers.sessions()[0].id, "Its chunk is gone.")
    ledgers.sweep_once()
    assert len(ledgers.ready(JobKind.FETCH)) == 1
    change("stream-or-copy")
    ledgers.complete()
    assert ledgers.only(JobKind.BIN).state is JobState.DONE


def test_what_cannot_be_streamed_is_dead_where_its_source_wants_it_streamed() -> None:
    planned()
    job = ledgers.job(kill(JobKind.STREAM, NO_RANGES))
    assert (job.kind, job.error_class, job.failures) == (JobKind.STREAM, "NoRangesError", 1)


def test_only_a_stream_is_handed_over() -> None:
    planned(fetch="stream-or-copy")
    ledgers.fail(ledgers.claim(ledgers.only(JobKind.STREAM).id), NO_RANGES)
    ledgers.sweep_once()
    kill(JobKind.FETCH, NO_RANGES)
    assert ledgers.only(JobKind.BIN).state is JobState.BLOCKED


def test_a_superseded_stream_hands_nothing_over() -> None:
    planned(fetch="stream-or-copy")
    claimed = ledgers.claim(ledgers.only(JobKind.STREAM).id)
    ledgers.expire(claimed.job)
    ledgers.sweep_once()
    with pytest.raises(SupersededError):
        ledgers.fail(claimed, NO_RANGES)
    assert ledgers.only(JobKind.STREAM).state is JobState.READY


# Another `fetch` than the one that the source was planned with


@pytest.mark.parametrize("before", ["stream", "stream-or-copy"])
def test_what_waits_to_be_streamed_is_copied_when_the_source_says_so(before: str) -> None:
    planned(2, assets=2, fetch=before)
    change("copy")
    assert ledgers.jobs(JobKind.STREAM) == []
    assert len(ledgers.ready(JobKind.FETCH)) == 4
    assert (dependencies(), ledgers.reserved()) == (4, 400)
    for asset, job in zip(ledgers.assets(), ledgers.jobs(JobKind.FETCH), strict=True):
        assert job.asset_id == asset.id
    ledgers.complete()
    assert [job.state for job in ledgers.jobs(JobKind.BIN)] == [JobState.DONE] * 2


@pytest.mark.parametrize("after", ["stream", "stream-or-copy"])
@pytest.mark.parametrize("stage", ["queued", "fetching", "one fetched", "all fetched"])
def test_what_waits_to_be_copied_is_streamed_when_the_source_says_so(stage: str, after: str) -> None:
    opened = ledgers.ask("a")
    ledgers.plan(ledgers.listing("a", 1, assets=2))
    if stage != "queued":
        ledgers.sweep_once()
    for job in ledgers.ready(JobKind.FETCH)[: {"one fetched": 1, "all fetched": 2}.get(stage, 0)]:
        ledgers.fetch_one(job.id)
        ledgers.sweep_once()
    change(after)
    assert len(ledgers.ready(JobKind.STREAM)) == 1
    assert {job.state for job in ledgers.jobs(JobKind.FETCH)} == {JobState.BLOCKED}
    assert (dependencies(), ledgers.reserved()) == (0, 0)
    assert {asset.local_path for asset in ledgers.assets()} == {None}
    ledgers.complete()
    ledgers.publish()
    assert ledgers.release(opened.release).state is ReleaseState.PUBLISHED


def test_a_session_may_go_back_and_forth() -> None:
    planned(assets=2)
    for fetch in ("copy", "stream", "copy"):
        change(fetch)
    assert len(ledgers.jobs(JobKind.FETCH)) == dependencies() == 2
    ledgers.complete()
    assert ledgers.only(JobKind.BIN).state is JobState.DONE


def test_failures_of_the_way_that_was_left_are_told_no_more() -> None:
    build = planned(assets=2, fetch="copy").build
    first, second = (ledgers.claim(job.id) for job in ledgers.ready(JobKind.FETCH))
    ledgers.fail(first, NetworkError("Away."))
    ledgers.fail(second, AssetError("It is gone."))
    assert len(failures(build)) == 2
    change("stream")
    assert failures(build) == []
    with transaction() as ledger:
        (found,) = build_queries.progress_of(ledger, build)
    assert (found.queued, found.failed) == (1, 0)
    ledgers.complete()
    assert ledgers.only(JobKind.STREAM).state is JobState.DONE


@pytest.mark.parametrize("after", ["copy", "stream-or-copy"])
def test_a_stream_that_died_for_want_of_ranges_runs_when_fetch_is_changed(after: str) -> None:
    planned()
    kill(JobKind.STREAM, NO_RANGES)
    change(after)
    if after == "stream-or-copy":
        ledgers.fail(ledgers.claim(ledgers.only(JobKind.STREAM).id), NO_RANGES)
    ledgers.complete()
    assert ledgers.only(JobKind.BIN).state is JobState.DONE


def test_a_session_that_was_missing_from_a_pile_is_built_when_fetch_is_changed() -> None:
    ledgers.ask("a", fetch="stream", allow_missing=True)
    ledgers.plan(ledgers.listing("a", 2))
    ledgers.sweep_once()
    kill(JobKind.STREAM, NO_RANGES)
    ledgers.complete()
    ledgers.publish()
    opened = ledgers.ask("a", fetch="copy", allow_missing=True)
    assert not opened.is_published
    ledgers.complete()
    ledgers.publish()
    assert ledgers.release(opened.release).missing == []
    assert [job.kind for job in ledgers.counting(JobState.DONE)] == [JobKind.BIN, JobKind.STREAM]


def test_a_list_that_goes_without_a_dead_session_is_frozen_again_when_fetch_is_changed() -> None:
    opened = ledgers.ask("a", fetch="stream", allow_missing=True)
    ledgers.plan(ledgers.listing("a", 2))
    ledgers.sweep_once()
    kill(JobKind.STREAM, NO_RANGES)
    ledgers.complete()
    ledgers.freeze()
    ledgers.ask("a", fetch="copy", allow_missing=True)
    assert ledgers.release(opened.release).state is ReleaseState.OUTDATED
    ledgers.complete()
    ledgers.publish()
    assert ledgers.newest_release(opened.build).missing == []


@pytest.mark.parametrize(("before", "after"), [("stream", "copy"), ("copy", "stream")])
def test_what_runs_ends_as_it_is(before: str, after: str) -> None:
    planned(fetch=before)
    kind = JobKind.STREAM if before == "stream" else JobKind.FETCH
    claimed = ledgers.claim(ledgers.one_ready(kind).id)
    change(after)
    with transaction() as ledger:
        assert jobs.heartbeat(ledger, claimed)
    ledgers.finish(claimed, ledgers.streamed(claimed) if before == "stream" else ledgers.fetched(claimed))
    ledgers.complete()
    (done,) = ledgers.counting(JobState.DONE)
    assert done.kind is (JobKind.STREAM if before == "stream" else JobKind.BIN)


def test_what_ran_and_failed_goes_the_new_way_when_it_is_retried() -> None:
    planned()
    claimed = ledgers.claim(ledgers.one_ready(JobKind.STREAM).id)
    change("copy")
    ledgers.fail(claimed, AssetError("It is gone."))
    retry()
    ledgers.sweep_once()
    assert len(ledgers.ready(JobKind.FETCH)) == 1


def test_a_stream_that_ran_while_fetch_was_changed_is_handed_over() -> None:
    planned()
    claimed = ledgers.claim(ledgers.one_ready(JobKind.STREAM).id)
    change("copy")
    assert ledgers.fail(claimed, NO_RANGES) is JobState.BLOCKED
    ledgers.complete()
    assert ledgers.only(JobKind.BIN).state is JobState.DONE


def test_what_is_done_or_skipped_stays_so() -> None:
    planned(2)
    ledgers.stream_one(ledgers.ready(JobKind.STREAM)[0].id)
    with transaction() as ledger:
        admin.skip(ledger, "a-1", "noise")
    change("copy")
    assert [job.state for job in ledgers.jobs(JobKind.STREAM)] == [JobState.DONE, JobState.SKIPPED]
    assert ledgers.jobs(JobKind.FETCH) == []


def test_a_message_of_the_old_way_finds_the_job_on_the_new_one() -> None:
    planned(fetch="copy")
    ledgers.fetch_all()
    ledgers.sweep_once()
    job = ledgers.one_ready(JobKind.BIN).id
    change("stream")
    assert ledgers.claim(job).kind is JobKind.STREAM


def test_another_text_of_the_entry_moves_nothing() -> None:
    planned()
    job = ledgers.claim(ledgers.only(JobKind.STREAM).id)
    ledgers.fail(job, NetworkError("Away."))
    asked = ledgers.source("a", fetch="stream")
    ledgers.ask(sources=[replace(asked, config=asked.config | {"citation": "new"})])
    assert ledgers.only(JobKind.STREAM).failures == 1


def test_a_source_that_is_planned_after_the_change_is_streamed() -> None:
    ledgers.ask("a")
    change("stream")
    ledgers.plan(ledgers.listing("a", 1))
    assert ledgers.only(JobKind.STREAM).state is JobState.BLOCKED
    with transaction() as ledger:
        dispatch.promote_unblocked(ledger)
    claimed = ledgers.claim(ledgers.only(JobKind.STREAM).id)
    with transaction() as ledger:
        jobs.release(ledger, claimed)
    assert ledgers.only(JobKind.STREAM).state is JobState.READY
