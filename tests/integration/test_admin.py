"""What a person may do to the ledger, and what lost outputs do to it."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy.exc import IntegrityError

from spikemill.services.common.database import transaction
from spikemill.services.common.errors import (
    AssetError,
    CallError,
    DamagedOutputError,
    NetworkError,
    RecordingError,
    StoreError,
    SupersededError,
)
from spikemill.services.common.ledger import admin, jobs, release_queries, repair
from spikemill.services.common.ledger.builds import OpenedBuild
from spikemill.services.common.ledger.jobs import Claim
from spikemill.services.common.models import BuildState, JobKind, JobState, Outcome, ReleaseState
from tests.integration import ledgers


def retry(*sources: str) -> int:
    with transaction() as ledger:
        return admin.retry_dead(ledger, sources)


def skip(name: str, reason: str = "noise") -> None:
    with transaction() as ledger:
        admin.skip(ledger, name, reason)


def reopen(session_id: int) -> None:
    with transaction() as ledger:
        repair.reopen_session(ledger, session_id, "Its chunk is gone.")


def cancel() -> int:
    with transaction() as ledger:
        return admin.cancel_builds(ledger)


def prune() -> list[str]:
    with transaction() as ledger:
        return admin.prune_chunks(ledger)


def planned(sessions: int = 1, *, assets: int = 1) -> OpenedBuild:
    opened = ledgers.ask("a")
    ledgers.plan(ledgers.listing("a", sessions, assets=assets))
    ledgers.sweep_once()
    return opened


def kill(kind: JobKind) -> int:
    """Let the first job of a kind that is ready fail for good; return it."""
    claimed = ledgers.claim(ledgers.ready(kind)[0].id)
    assert ledgers.fail(claimed, AssetError("It is gone.")) is JobState.DEAD
    return claimed.job


def to_plan() -> None:
    ledgers.ask("a")


def to_fetch() -> None:
    planned()


def to_bin() -> None:
    planned()
    ledgers.fetch_all()
    ledgers.sweep_once()


def to_freeze() -> None:
    ledgers.done_build()


def to_shard() -> None:
    ledgers.done_build()
    ledgers.freeze()


def to_assemble() -> None:
    to_shard()
    ledgers.write_shards()
    ledgers.sweep_once()


def to_publish() -> None:
    ledgers.done_build(push=ledgers.target())
    ledgers.publish()


@pytest.mark.parametrize(
    ("kind", "prepare"),
    [
        (JobKind.PLAN, to_plan),
        (JobKind.FETCH, to_fetch),
        (JobKind.BIN, to_bin),
        (JobKind.FREEZE, to_freeze),
        (JobKind.SHARD, to_shard),
        (JobKind.ASSEMBLE, to_assemble),
        (JobKind.PUBLISH, to_publish),
    ],
)
def test_retry_heals_a_dead_job_of_any_kind(kind: JobKind, prepare: Callable[[], None]) -> None:
    prepare()
    job = kill(kind)
    assert retry() == 1
    assert retry() == 0
    ledgers.sweep_once()
    healed = ledgers.job(job)
    assert (healed.failures, healed.crashes, healed.error, healed.attempt) == (0, 0, None, 1)
    if kind is JobKind.BIN:
        ledgers.fetch_all()
        ledgers.sweep_once()
    assert ledgers.claim(job).attempt == 2


def test_a_retried_session_is_fetched_again() -> None:
    to_bin()
    job = kill(JobKind.BIN)
    assert ledgers.assets()[0].local_path is None
    retry()
    ledgers.sweep_once()
    assert ledgers.job(job).state is JobState.BLOCKED
    assert [fetch.attempt for fetch in ledgers.ready(JobKind.FETCH)] == [1]
    ledgers.complete()
    assert ledgers.job(job).state is JobState.DONE


def test_a_session_of_which_one_asset_died_is_retried_whole() -> None:
    planned(assets=2)
    ledgers.fetch_one(ledgers.ready(JobKind.FETCH)[0].id)
    kill(JobKind.FETCH)
    retry()
    ledgers.complete()
    assert [job.attempt for job in ledgers.jobs(JobKind.FETCH)] == [2, 2]
    assert ledgers.only(JobKind.BIN).state is JobState.DONE


def test_only_the_named_sources_are_retried() -> None:
    ledgers.ask("a", "b")
    for name in "ab":
        ledgers.plan(ledgers.listing(name, 1))
    ledgers.sweep_once()
    first, second = kill(JobKind.FETCH), kill(JobKind.FETCH)
    assert retry("b") == 1
    assert [ledgers.job(job).state for job in (first, second)] == [JobState.DEAD, JobState.BLOCKED]


def test_a_plan_is_retried_by_its_sources_name() -> None:
    ledgers.ask("a", "b")
    first, second = kill(JobKind.PLAN), kill(JobKind.PLAN)
    assert retry("b") == 1
    assert [ledgers.job(job).state for job in (first, second)] == [JobState.DEAD, JobState.READY]


def test_what_failed_of_an_outdated_release_stays_dead() -> None:
    to_shard()
    kill(JobKind.SHARD)
    ledgers.ask("a", parameters={"seed": 1})
    assert retry() == 0


def test_skipping_withdraws_what_is_running() -> None:
    planned(assets=2)
    first, second = (ledgers.claim(job.id) for job in ledgers.ready(JobKind.FETCH))
    skip("a-0")
    for claimed in (first, second):
        with pytest.raises(SupersededError):
            ledgers.finish(claimed, ledgers.fetched(claimed))
        with transaction() as ledger:
            assert not jobs.heartbeat(ledger, claimed)
        assert ledgers.outcomes(claimed.job) == [Outcome.WITHDRAWN]
    states = {job.state for kind in (JobKind.FETCH, JobKind.BIN) for job in ledgers.jobs(kind)}
    assert states == {JobState.SKIPPED}
    assert ledgers.reserved() == 0


def test_skipping_withdraws_a_bin_that_runs() -> None:
    to_bin()
    claimed = ledgers.claim(ledgers.only(JobKind.BIN).id)
    skip("a-0")
    with pytest.raises(SupersededError):
        ledgers.finish(claimed, ledgers.binned(claimed))
    assert ledgers.outcomes(claimed.job) == [Outcome.WITHDRAWN]
    assert ledgers.only(JobKind.BIN).skipped_because == "noise"
    assert ledgers.sessions()[0].chunk is None


def test_a_dead_session_may_be_skipped() -> None:
    to_bin()
    kill(JobKind.BIN)
    skip("a-0")
    assert ledgers.only(JobKind.BIN).state is JobState.SKIPPED
    assert retry() == 0


def test_a_done_session_cannot_be_skipped() -> None:
    ledgers.done_build(sessions=1)
    with pytest.raises(CallError, match="is done"):
        skip("a-0")
    assert ledgers.only(JobKind.BIN).state is JobState.DONE


@pytest.mark.parametrize("name", ["a/sub-0/a-0", "sub-0/a-0", "a-0", "sub-0/a-0.nwb"])
def test_a_session_is_named_as_the_ledger_prints_it_or_by_its_end(name: str) -> None:
    planned(2)
    skip(name)
    assert [job.state for job in ledgers.jobs(JobKind.BIN)] == [JobState.SKIPPED, JobState.BLOCKED]


@pytest.mark.parametrize("name", ["0", "b/sub-0/a-0", "-0", "%", "a_0", ""])
def test_a_name_that_fits_no_session_is_refused(name: str) -> None:
    planned()
    with pytest.raises(CallError, match="No session is called"):
        skip(name)


def test_a_name_that_fits_several_sessions_is_refused() -> None:
    ledgers.ask("a", "b")
    for name in "ab":
        ledgers.plan([replace(each, session_id="same") for each in ledgers.listing(name, 1)])
    with pytest.raises(CallError, match="2 sessions are called same; give source/subject/session"):
        skip("same")
    skip("b/sub-0/same")


def test_a_name_that_an_older_build_has_too_means_the_open_one() -> None:
    ledgers.ask("a", allow_missing=True)
    ledgers.plan(ledgers.listing("a", 2))
    ledgers.sweep_once()
    ledgers.fetch_all()
    ledgers.sweep_once()
    older = kill(JobKind.BIN)
    ledgers.complete()
    ledgers.publish()
    ledgers.ask(sources=[ledgers.source("a", version="2")])
    ledgers.plan(ledgers.listing("a", 2))
    skip("a/sub-0/a-0")
    assert ledgers.job(older).state is JobState.DEAD
    assert ledgers.only(JobKind.BIN, JobState.SKIPPED).id > older


def test_cancel_stops_the_build_and_withdraws_what_runs() -> None:
    opened = planned(2)
    claimed = ledgers.claim(ledgers.ready(JobKind.FETCH)[0].id)
    assert cancel() == 1
    assert cancel() == 0
    assert ledgers.build(opened.build).state is BuildState.CANCELLED
    with pytest.raises(SupersededError):
        ledgers.finish(claimed, ledgers.fetched(claimed))
    assert ledgers.outcomes(claimed.job) == [Outcome.WITHDRAWN]
    assert ledgers.job(claimed.job).crashes == 0
    ledgers.sweep_once()
    assert not ledgers.ready(JobKind.FETCH)
    assert ledgers.reserved() == 0


def test_what_is_done_stays_done_over_a_cancel() -> None:
    opened = ledgers.done_build()
    cancel()
    assert ledgers.ask("a") == opened
    ledgers.publish()
    assert [job.attempt for job in ledgers.jobs(JobKind.BIN)] == [1, 1]


def test_cancel_stops_the_builds_of_all_piles() -> None:
    ledgers.ask("a")
    ledgers.ask("a", pile="other")
    claimed = ledgers.claim(ledgers.only(JobKind.PLAN).id)
    assert cancel() == 2
    assert ledgers.open_builds() == []
    assert ledgers.job(claimed.job).state is JobState.READY


def test_prune_forgets_chunks_that_no_open_build_needs() -> None:
    ledgers.done_build()
    assert prune() == []
    ledgers.publish()
    names = [session.chunk for session in ledgers.sessions()]
    assert sorted(prune()) == sorted(name or "" for name in names)
    assert prune() == []
    assert {session.chunk for session in ledgers.sessions()} == {None}
    assert {job.state for job in ledgers.jobs(JobKind.BIN)} == {JobState.BLOCKED}


def test_a_pruned_session_is_made_again_by_the_next_build_that_wants_it() -> None:
    ledgers.done_build()
    ledgers.publish()
    prune()
    assert ledgers.ask("a").is_published
    ledgers.ask("a", parameters={"seed": 1})
    ledgers.complete()
    ledgers.publish()
    assert [job.attempt for job in ledgers.jobs(JobKind.BIN)] == [2, 2]


def test_a_session_that_comes_out_different_the_second_time_is_refused() -> None:
    ledgers.done_build(sessions=1)
    session_id = ledgers.sessions()[0].id
    reopen(session_id)
    ledgers.sweep_once()
    ledgers.fetch_all()
    ledgers.sweep_once()
    claimed = ledgers.claim(ledgers.only(JobKind.BIN).id)
    other = [replace(row, tokens=21) for row in ledgers.facts(session_id).rows]
    with pytest.raises(DamagedOutputError, match="came out different"):
        ledgers.finish(claimed, ledgers.binned(claimed, rows=other))


def test_a_chunk_that_is_lost_again_and_again_is_given_up() -> None:
    ledgers.done_build(sessions=1)
    session_id = ledgers.sessions()[0].id
    for _ in range(3):
        reopen(session_id)
        assert ledgers.only(JobKind.BIN).state is JobState.BLOCKED
        ledgers.complete()
    reopen(session_id)
    job = ledgers.only(JobKind.BIN)
    assert job.state is JobState.DEAD
    assert job.error is not None
    assert "check the store's disk" in job.error
    assert ledgers.reserved() == 0
    retry()
    ledgers.complete()
    assert ledgers.only(JobKind.BIN).state is JobState.DONE


def test_a_damaged_shard_is_written_again_and_the_assembly_waits_for_it() -> None:
    to_assemble()
    claimed = ledgers.claim(ledgers.only(JobKind.ASSEMBLE).id)
    shard = ledgers.shards()[0].id
    for _ in range(2):  # two who see the same damage
        with transaction() as ledger:
            repair.reopen_shard(ledger, shard, "It is cut short.")
    assert ledgers.outcomes(claimed.job) == [Outcome.WITHDRAWN]
    with pytest.raises(SupersededError):
        ledgers.finish(claimed, ledgers.assembled(claimed))
    assert ledgers.shards()[0].sha256 is None
    ledgers.write_shards()
    ledgers.sweep_once()
    ledgers.assemble()
    assert ledgers.only(JobKind.SHARD).rebuild_count == 1


def test_a_shard_that_is_damaged_again_and_again_is_given_up() -> None:
    to_assemble()
    for _ in range(4):
        ledgers.write_shards()
        with transaction() as ledger:
            repair.reopen_shard(ledger, ledgers.shards()[0].id, "It is cut short.")
    assert ledgers.only(JobKind.SHARD).state is JobState.DEAD
    assert ledgers.only(JobKind.ASSEMBLE).state is JobState.BLOCKED


def test_a_late_assembly_does_not_reopen_what_is_published() -> None:
    opened = ledgers.done_build()
    ledgers.publish()
    with transaction() as ledger:
        repair.reopen_shard(ledger, ledgers.shards()[0].id, "It is cut short.")
    assert ledgers.only(JobKind.SHARD).state is JobState.DONE
    assert ledgers.release(opened.release).state is ReleaseState.PUBLISHED


def test_lost_files_of_a_published_release_are_made_again() -> None:
    opened = ledgers.done_build(sessions=2)
    ledgers.publish(shards=2)
    first, second = ledgers.shards()
    with transaction() as ledger:
        repair.reopen_release(ledger, opened.release, [second.id])
    assert ledgers.release(opened.release).state is ReleaseState.FROZEN
    assert ledgers.open_builds() == [opened.build]
    assert [job.shard_id for job in ledgers.ready(JobKind.SHARD)] == [second.id]
    ledgers.write_shards()
    ledgers.sweep_once()
    ledgers.assemble()
    assert ledgers.release(opened.release).state is ReleaseState.PUBLISHED
    assert {job.shard_id: job.attempt for job in ledgers.jobs(JobKind.SHARD)} == {first.id: 1, second.id: 2}


def test_lost_papers_of_a_published_release_are_written_again() -> None:
    opened = ledgers.done_build()
    ledgers.publish()
    with transaction() as ledger:
        repair.reopen_release(ledger, opened.release, [])
    ledgers.sweep_once()
    ledgers.assemble()
    assert ledgers.release(opened.release).state is ReleaseState.PUBLISHED


def test_a_lost_shard_whose_chunks_were_pruned_is_made_from_the_recordings() -> None:
    opened = ledgers.done_build()
    ledgers.publish()
    digest = ledgers.release(opened.release).digest
    prune()
    with transaction() as ledger:
        repair.reopen_release(ledger, opened.release, [ledgers.shards()[0].id])
    assert ledgers.release(opened.release).state is ReleaseState.OUTDATED
    ledgers.complete()
    ledgers.publish()
    again = ledgers.newest_release(opened.build)
    assert (again.state, again.digest) == (ReleaseState.PUBLISHED, digest)
    assert ledgers.ask("a").release == again.id


def test_a_chunk_is_found_by_its_name() -> None:
    opened = ledgers.done_build(sessions=1)
    (session_row,) = ledgers.sessions()
    with transaction() as ledger:
        assert release_queries.session_with_chunk(ledger, session_row.chunk or "") == session_row.id
        assert release_queries.session_with_chunk(ledger, "chunks/x/none.parquet") is None
        assert [chunk.name for chunk in release_queries.chunks_of(ledger, opened.build)] == [
            session_row.chunk
        ]


@pytest.mark.parametrize("error", [NetworkError("Away."), StoreError("Full."), RecordingError("No units.")])
def test_a_failure_never_leaves_a_lease(error: Exception) -> None:
    to_bin()
    claimed: Claim = ledgers.claim(ledgers.only(JobKind.BIN).id)
    ledgers.fail(claimed, error)
    job = ledgers.job(claimed.job)
    assert (job.lease_owner, job.lease_worker, job.supervisor_id, job.lease_expires) == (None,) * 4


def test_an_update_by_hand_cannot_break_a_rule_of_the_states() -> None:
    to_bin()
    job = ledgers.only(JobKind.BIN).id
    for values in ({"state": "running"}, {"state": "done"}, {"state": "dead"}, {"state": "skipped"}):
        with pytest.raises(IntegrityError, match="ck_jobs_"):
            ledgers.set_job(job, **values)
