"""What is to be built: builds, source versions, and listings that are sealed in one transaction."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from spikemill.services.common.database import transaction
from spikemill.services.common.errors import RecordingError, SupersededError
from spikemill.services.common.ledger import builds as build_planning
from spikemill.services.common.ledger import jobs, recordings
from spikemill.services.common.ledger.jobs import Result
from spikemill.services.common.models import BuildSource, BuildState, JobKind, JobState, ReleaseState, Session
from spikemill.services.common.types import PlannedSession
from tests.integration import ledgers


def source_names(build_id: int) -> list[str]:
    names = {source.id: source.name for source in ledgers.sources()}
    with transaction() as ledger:
        parts = select(BuildSource.source_version_id).where(BuildSource.build_id == build_id)
        return sorted(names[part] for part in ledger.scalars(parts))


def seal(source_version: int, listing: list[PlannedSession]) -> None:
    with transaction() as ledger:
        recordings.seal_source(ledger, source_version, listing)


def test_a_sealed_source_has_all_its_sessions_assets_and_jobs() -> None:
    ledgers.ask("a")
    ledgers.plan(ledgers.listing("a", 3, assets=2))
    (source,) = ledgers.sources()
    assert source.sealed_at is not None
    assert source.n_planned == 3
    assert [session.ordinal for session in ledgers.sessions()] == [0, 1, 2]
    assert [asset.position for asset in ledgers.assets()] == [0, 1] * 3
    assert len(ledgers.jobs(JobKind.FETCH, JobState.BLOCKED)) == 6
    assert len(ledgers.jobs(JobKind.BIN, JobState.BLOCKED)) == 3


def test_a_session_waits_for_its_own_assets_alone() -> None:
    ledgers.ask("a")
    ledgers.plan(ledgers.listing("a", 2, assets=2))
    ledgers.sweep_once()
    for asset, job in zip(ledgers.assets(), ledgers.jobs(JobKind.FETCH), strict=True):
        assert job.asset_id == asset.id
        if asset.session_id == ledgers.sessions()[1].id:
            ledgers.fetch_one(job.id)
    ledgers.sweep_once()
    assert [job.state for job in ledgers.jobs(JobKind.BIN)] == [JobState.BLOCKED, JobState.READY]


def test_a_failure_in_the_middle_of_sealing_leaves_nothing() -> None:
    ledgers.ask("a")
    claimed = ledgers.claim(ledgers.only(JobKind.PLAN).id)

    def seal_and_break_down(session: Any) -> None:
        recordings.seal_source(session, claimed.subject, ledgers.listing("a", 3))
        raise RuntimeError("the disk of the ledger is full")

    with pytest.raises(RuntimeError):
        ledgers.finish(claimed, Result({}, seal_and_break_down))
    assert ledgers.sessions() == []
    assert ledgers.jobs(JobKind.FETCH) == []
    assert ledgers.sources()[0].sealed_at is None
    assert ledgers.job(claimed.job).state is JobState.RUNNING


def test_a_sealed_listing_never_changes() -> None:
    ledgers.ask("a")
    ledgers.plan(ledgers.listing("a", 2))
    before = [session.key for session in ledgers.sessions()]
    seal(ledgers.sources()[0].id, ledgers.listing("other", 5))
    assert [session.key for session in ledgers.sessions()] == before
    assert ledgers.sources()[0].n_planned == 2
    with pytest.raises(SupersededError), transaction() as ledger:
        recordings.require_open_source(ledger, ledgers.sources()[0].id)


def test_a_planner_stopped_between_two_pages_never_opens_the_gate() -> None:
    opened = ledgers.ask("a", "b")
    first, second = ledgers.jobs(JobKind.PLAN)
    ledgers.plan(ledgers.listing("a", 1), first.id)
    ledgers.complete()
    for _ in range(2):
        ledgers.claim(second.id)
        ledgers.sweep_once()
        ledgers.expire(second.id)
        for _ in range(3):
            ledgers.sweep_once()
        assert ledgers.jobs(JobKind.FREEZE) == []
        ledgers.set_job(second.id, not_before=ledgers.job(first.id).started_at)
    ledgers.plan(ledgers.listing("b", 1), second.id)
    ledgers.complete()
    assert ledgers.only(JobKind.FREEZE).release_id == opened.release


def test_the_same_build_asked_twice_is_one_build_and_one_release() -> None:
    assert ledgers.ask("a", "b") == ledgers.ask("b", "a")
    assert len(ledgers.sources()) == 2
    assert len(ledgers.jobs(JobKind.PLAN)) == 2


def test_another_seed_makes_another_release_of_the_same_build_and_reuses_its_sessions() -> None:
    first = ledgers.done_build()
    ledgers.sweep_once()
    second = ledgers.ask("a", parameters=ledgers.PARAMETERS | {"seed": 1})
    assert second.build == first.build
    assert second.release != first.release
    assert ledgers.release(first.release).state is ReleaseState.OUTDATED
    ledgers.complete()
    assert [job.attempt for job in ledgers.jobs(JobKind.BIN)] == [1, 1]
    freezes = {job.release_id: job for job in ledgers.jobs(JobKind.FREEZE)}
    assert freezes.keys() == {first.release, second.release}
    with transaction() as ledger:
        assert jobs.claim(ledger, freezes[first.release].id) is None
        assert jobs.claim(ledger, freezes[second.release].id) is not None


def test_another_limit_makes_another_build_that_reuses_its_sessions() -> None:
    limited = ledgers.ask("a", session_limit=1)
    ledgers.plan(ledgers.listing("a", 3))
    ledgers.complete()
    assert [job.state for job in ledgers.jobs(JobKind.BIN)] == [
        JobState.DONE,
        JobState.BLOCKED,
        JobState.BLOCKED,
    ]
    whole = ledgers.ask("a")
    assert whole.build != limited.build
    ledgers.complete()
    assert [(job.state, job.attempt) for job in ledgers.jobs(JobKind.BIN)] == [(JobState.DONE, 1)] * 3


def test_another_pattern_makes_another_source_version_and_build() -> None:
    first = ledgers.ask("a")
    second = ledgers.ask(sources=[ledgers.source("a", version="2")])
    assert second.build != first.build
    assert len(ledgers.jobs(JobKind.PLAN)) == 2
    assert ledgers.build(first.build).state is BuildState.SUPERSEDED


def test_the_gate_of_a_superseded_build_never_opens() -> None:
    old = ledgers.ask("a")
    ledgers.plan(ledgers.listing("a", 1))
    new = ledgers.ask("a", "b")
    ledgers.complete()
    for _ in range(3):
        ledgers.sweep_once()
    assert ledgers.jobs(JobKind.FREEZE) == []
    ledgers.plan(ledgers.listing("b", 1))
    ledgers.complete()
    assert ledgers.only(JobKind.FREEZE).release_id == new.release
    assert ledgers.release(old.release).state is ReleaseState.WAITING


def test_an_equal_build_is_taken_up_where_it_was_left() -> None:
    first = ledgers.ask("a")
    ledgers.ask("b")
    again = ledgers.ask("a")
    assert again == first
    assert ledgers.open_builds() == [first.build]


def test_other_piles_leave_each_other_alone() -> None:
    one, two = ledgers.ask("a"), ledgers.ask("a", pile="another")
    assert sorted(ledgers.open_builds()) == sorted([one.build, two.build])


def test_two_calls_that_add_never_leave_half_a_build() -> None:
    ledgers.ask("a", adds_to_open_build=True)
    ledgers.plan(ledgers.listing("a", 1))
    both = ledgers.ask("b", adds_to_open_build=True)
    assert ledgers.open_builds() == [both.build]
    assert source_names(both.build) == ["a", "b"]
    ledgers.complete()
    assert ledgers.jobs(JobKind.FREEZE) == []


def test_a_newer_version_of_a_source_takes_the_place_of_the_older_one() -> None:
    ledgers.ask("a", "b", adds_to_open_build=True)
    newer = ledgers.ask(sources=[ledgers.source("a", version="2")], adds_to_open_build=True)
    assert source_names(newer.build) == ["a", "b"]


@pytest.mark.parametrize("pile", ["one", None])
def test_calls_at_the_same_moment_end_in_one_build_of_all(pile: str | None) -> None:
    """With a pile of its own for each call, they meet only in the sources that they share."""
    names = ["a", "b", "c", "d"]
    start = Barrier(len(names))

    def queue(number: int) -> build_planning.OpenedBuild:
        start.wait()
        asked = names[number:] + names[:number] if pile is None else [names[number]]
        return ledgers.ask(*asked, pile=pile or f"pile-{number}", adds_to_open_build=True)

    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(queue, range(len(names))))
    assert len(ledgers.sources()) == len(names)
    builds = ledgers.open_builds()
    assert len(builds) == (1 if pile else len(names))
    assert {tuple(source_names(build)) for build in builds} == {tuple(names)}


def test_sessions_that_nothing_tells_apart_are_refused_when_they_are_binned() -> None:
    ledgers.ask("a")
    twins = [
        PlannedSession(key=f"{folder}/x.nwb", subject_id=None, session_id="x", assets=each.assets)
        for folder, each in zip("12", ledgers.listing("a", 2), strict=True)
    ]
    ledgers.plan(twins)
    ledgers.sweep_once()
    ledgers.fetch_all()
    ledgers.sweep_once()
    first, second = (ledgers.claim(job.id) for job in ledgers.jobs(JobKind.BIN))
    ledgers.finish(first, ledgers.binned(first, subject_id="mouse"))
    with pytest.raises(RecordingError, match=r"2/x\.nwb and 1/x\.nwb both .* session x of subject mouse"):
        ledgers.finish(second, ledgers.binned(second, subject_id="mouse"))
    assert ledgers.job(second.job).state is JobState.RUNNING
    ledgers.finish(second, ledgers.binned(second, subject_id="rat"))


def test_the_database_itself_refuses_two_sessions_of_one_name() -> None:
    ledgers.ask("a")
    ledgers.plan(ledgers.listing("a", 2))
    first, second = ledgers.sessions()
    names = {"subject_id": first.subject_id, "session_id": first.session_id}
    with pytest.raises(IntegrityError, match="uq_sessions_names"), transaction() as ledger:
        ledger.execute(update(Session).where(Session.id == second.id).values(names))
