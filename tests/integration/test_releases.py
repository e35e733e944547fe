"""When a release is frozen, what that queues, and how it ends."""

from typing import Any

import pytest
from sqlalchemy import select

from spikemill.services.common.database import transaction
from spikemill.services.common.errors import AssetError, RecordingError, SupersededError
from spikemill.services.common.ledger import admin, release_queries, releases, repair
from spikemill.services.common.ledger.builds import OpenedBuild
from spikemill.services.common.models import (
    BuildState,
    Job,
    JobDependency,
    JobKind,
    JobState,
    ReleaseState,
    Session,
    ShardRow,
)
from tests.integration import ledgers


def kill(job: Job) -> None:
    ledgers.fail(ledgers.claim(job.id), RecordingError("No units."))


def one_dead_of_two(**changes: Any) -> OpenedBuild:
    """Ask for a build of two sessions, bring one to its end, and let the other die."""
    opened = ledgers.ask("a", **changes)
    ledgers.plan(ledgers.listing("a", 2))
    ledgers.sweep_once()
    ledgers.fetch_all()
    ledgers.sweep_once()
    first, second = ledgers.jobs(JobKind.BIN)
    kill(first)
    ledgers.bin_one(second.id)
    ledgers.sweep_once()
    return opened


def test_the_gate_opens_once_and_only_when_every_session_is_done() -> None:
    opened = ledgers.ask("a", "b")
    ledgers.plan(ledgers.listing("a", 2))
    ledgers.complete()
    assert ledgers.jobs(JobKind.FREEZE) == []
    ledgers.plan(ledgers.listing("b", 1))
    ledgers.sweep_once()
    ledgers.fetch_all()
    ledgers.sweep_once()
    assert ledgers.jobs(JobKind.FREEZE) == []
    ledgers.bin_all()
    for _ in range(3):
        ledgers.sweep_once()
    assert ledgers.only(JobKind.FREEZE).release_id == opened.release


def test_what_is_merged_are_the_rows_that_were_binned() -> None:
    opened = one_dead_of_two(allow_missing=True)
    with transaction() as ledger:
        [row] = release_queries.rows_of(ledger, opened.build)
        session = ledger.scalars(select(Session).where(Session.chunk.is_not(None))).one()
    facts = ledgers.facts(session.id)
    assert (row.source, row.subject, row.session) == ("a", facts.subject_id, session.session_id)
    assert (row.segment, row.row_group, row.tokens, row.compressed_bytes) == ("segment_0", 0, 20, 30)
    assert (row.chunk, row.chunk_sha256) == (ledgers.chunk_of(session.id), facts.chunk_sha256)


def test_a_dead_session_keeps_the_gate_shut() -> None:
    one_dead_of_two()
    assert ledgers.jobs(JobKind.FREEZE) == []


def test_a_dead_session_is_passed_by_where_that_is_allowed() -> None:
    opened = one_dead_of_two(allow_missing=True)
    ledgers.freeze()
    missing = ledgers.release(opened.release).missing
    assert missing is not None
    assert [left["path"] for left in missing] == ["sub-0/a-0.nwb"]


def test_a_dead_fetch_is_passed_by_only_when_nothing_works_on_its_session() -> None:
    ledgers.ask("a", allow_missing=True)
    ledgers.plan(ledgers.listing("a", 1, assets=2))
    ledgers.sweep_once()
    first, second = (ledgers.claim(job.id) for job in ledgers.jobs(JobKind.FETCH))
    ledgers.fail(first, AssetError("It is gone."))
    assert ledgers.job(second.job).state is JobState.BLOCKED
    with pytest.raises(SupersededError):
        ledgers.finish(second, ledgers.fetched(second))
    ledgers.sweep_once()
    ledgers.only(JobKind.FREEZE)


def test_a_skipped_session_is_passed_by() -> None:
    one_dead_of_two()
    with transaction() as ledger:
        admin.skip(ledger, "a-0", "noise")
    ledgers.sweep_once()
    ledgers.freeze()
    (shard,) = ledgers.shards()
    assert shard.n_rows == 1


def test_freezing_queues_the_shards_and_an_assembly_that_waits_for_them() -> None:
    opened = ledgers.done_build(sessions=4)
    ledgers.freeze(shards=3)
    shards = ledgers.jobs(JobKind.SHARD)
    assembly = ledgers.only(JobKind.ASSEMBLE)
    assert [job.state for job in shards] == [JobState.READY] * 3
    assert assembly.state is JobState.BLOCKED
    with transaction() as ledger:
        needs = set(ledger.scalars(select(JobDependency.needs_id).where(JobDependency.job_id == assembly.id)))
        rows = ledger.scalars(select(ShardRow)).all()
    assert needs == {job.id for job in shards}
    assert {row.chunk for row in rows} == {session.chunk for session in ledgers.sessions()}
    assert [shard.n_rows for shard in ledgers.shards()] == [2, 1, 1]
    frozen = ledgers.release(opened.release)
    assert frozen.state is ReleaseState.FROZEN
    assert frozen.digest is not None
    assert frozen.frozen_at is not None


def test_the_assembly_waits_for_the_last_shard() -> None:
    opened = ledgers.done_build(sessions=2)
    ledgers.freeze(shards=2)
    first, second = ledgers.jobs(JobKind.SHARD)
    for waiting in (first, second):
        ledgers.sweep_once()
        assert ledgers.only(JobKind.ASSEMBLE).state is JobState.BLOCKED
        claimed = ledgers.claim(waiting.id)
        ledgers.finish(claimed, ledgers.shard_written(claimed))
    ledgers.sweep_once()
    ledgers.assemble()
    assert ledgers.release(opened.release).state is ReleaseState.PUBLISHED
    assert ledgers.build(opened.build).state is BuildState.RELEASED


def test_what_is_published_is_found_again() -> None:
    first = ledgers.done_build()
    ledgers.publish()
    again = ledgers.ask("a")
    assert again.is_published
    assert (again.build, again.release) == (first.build, first.release)
    assert ledgers.open_builds() == []


def test_skipping_after_the_freeze_makes_another_release() -> None:
    opened = one_dead_of_two(allow_missing=True)
    ledgers.freeze()
    with transaction() as ledger:
        admin.skip(ledger, "a-0", "noise")
    assert ledgers.release(opened.release).state is ReleaseState.OUTDATED
    again = ledgers.newest_release(opened.build)
    assert (again.state, again.parameters, again.allow_missing) == (
        ReleaseState.WAITING,
        ledgers.PARAMETERS,
        True,
    )
    ledgers.publish()
    assert ledgers.newest_release(opened.build).state is ReleaseState.PUBLISHED


@pytest.mark.parametrize("stage", ["gate open", "freezing", "frozen", "assembling"])
def test_reopening_at_any_stage_makes_another_release(stage: str) -> None:
    opened = ledgers.done_build()
    claimed = None
    if stage == "freezing":
        claimed = ledgers.claim(ledgers.only(JobKind.FREEZE).id)
        result = ledgers.frozen(claimed)
    if stage in {"frozen", "assembling"}:
        ledgers.freeze()
        ledgers.write_shards()
        ledgers.sweep_once()
    if stage == "assembling":
        claimed = ledgers.claim(ledgers.only(JobKind.ASSEMBLE).id)
        result = ledgers.assembled(claimed)
    with transaction() as ledger:
        repair.reopen_session(ledger, ledgers.sessions()[0].id, "Its chunk is gone.")
    if claimed is not None:
        with pytest.raises(SupersededError):
            ledgers.finish(claimed, result)
        with transaction() as ledger:
            assert not releases.is_in_progress(ledger, opened.release)
    assert ledgers.release(opened.release).state is ReleaseState.OUTDATED
    ledgers.complete()
    assert [job.attempt for job in ledgers.jobs(JobKind.BIN)] == [2, 1]
    ledgers.publish()
    assert ledgers.newest_release(opened.build).state is ReleaseState.PUBLISHED
    assert ledgers.build(opened.build).state is BuildState.RELEASED


def test_a_release_that_comes_to_the_same_list_takes_the_place_of_the_earlier_one() -> None:
    first = ledgers.done_build()
    ledgers.publish()
    second = ledgers.ask("a", allow_missing=True)
    assert second.release != first.release
    ledgers.publish()
    assert ledgers.release(first.release).state is ReleaseState.OUTDATED
    assert ledgers.release(second.release).state is ReleaseState.PUBLISHED
    assert ledgers.release(first.release).digest == ledgers.release(second.release).digest


@pytest.mark.parametrize("how", ["another build", "another seed", "cancel"])
def test_a_release_that_nobody_wants_any_more_is_never_published(how: str) -> None:
    opened = ledgers.done_build()
    ledgers.freeze()
    ledgers.write_shards()
    ledgers.sweep_once()
    claimed = ledgers.claim(ledgers.only(JobKind.ASSEMBLE).id)
    with transaction() as ledger:
        assert releases.is_in_progress(ledger, opened.release)
    match how:
        case "another build":
            ledgers.ask("b")
        case "another seed":
            ledgers.ask("a", parameters={"seed": 1})
        case "cancel":
            with transaction() as ledger:
                admin.cancel_builds(ledger)
    with transaction() as ledger:
        assert not releases.is_in_progress(ledger, opened.release)
    if how != "another build":
        with pytest.raises(SupersededError):
            ledgers.finish(claimed, ledgers.assembled(claimed))
    assert ledgers.build(opened.build).state is not BuildState.RELEASED


def test_a_retried_session_enters_the_next_release_although_one_is_published_without_it() -> None:
    release = one_dead_of_two(allow_missing=True).release
    ledgers.publish()
    assert ledgers.ask("a", allow_missing=True).is_published
    with transaction() as ledger:
        assert admin.retry_dead(ledger) == 1
    again = ledgers.ask("a", allow_missing=True)
    assert not again.is_published
    assert again.release != release
    ledgers.complete()
    ledgers.publish()
    assert ledgers.release(again.release).missing == []
    assert ledgers.ask("a", allow_missing=True) == OpenedBuild(again.build, again.release, is_published=True)
