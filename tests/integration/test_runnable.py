"""Whether a build can still go on: `runnable` is 0 exactly when it cannot, which ends `spikemill build`."""

from typing import Any

import pytest

from spikemill.services.common.database import transaction
from spikemill.services.common.errors import NetworkError, RecordingError
from spikemill.services.common.ledger import admin
from spikemill.services.common.models import BuildState, JobKind, JobState
from tests.integration import ledgers


def runnable(build: int) -> int:
    """Return the figure, after the sweeper did all that it can."""
    for _ in range(2):
        ledgers.sweep_once()
    return ledgers.status(build).runnable


def kill(kind: JobKind) -> None:
    ledgers.fail(ledgers.claim(ledgers.ready(kind)[0].id), RecordingError("No units."))


def opened(sessions: int = 1, *, assets: int = 1, **changes: Any) -> int:
    """Ask for a build of one source, seal it and let its assets be fetched; return the build."""
    build = ledgers.ask("a", **changes).build
    ledgers.plan(ledgers.listing("a", sessions, assets=assets))
    ledgers.sweep_once()
    return build


def test_a_build_is_runnable_from_its_beginning_to_its_end() -> None:
    build = ledgers.ask("a", "b").build
    assert runnable(build) == 2
    ledgers.plan(ledgers.listing("a", 2, assets=2))
    assert runnable(build) > 0
    ledgers.plan(ledgers.listing("b", 1))
    for step in (ledgers.fetch_all, ledgers.bin_all, ledgers.freeze, ledgers.write_shards, ledgers.assemble):
        assert runnable(build) > 0
        step()
    assert runnable(build) == 0
    assert ledgers.status(build).state == BuildState.RELEASED


@pytest.mark.parametrize("when", ["room", "bin", "gate", "assembly"])
def test_a_build_is_runnable_also_before_the_sweeper_has_seen_that_it_is(when: str) -> None:
    """Between two rounds nothing may be ready, and yet nobody may give up."""
    build = ledgers.ask("a").build
    ledgers.plan(ledgers.listing("a", 1))
    if when != "room":
        ledgers.sweep_once()
        ledgers.fetch_all()
    if when in {"gate", "assembly"}:
        ledgers.sweep_once()
        ledgers.bin_all()
    if when == "assembly":
        ledgers.sweep_once()
        ledgers.freeze()
        ledgers.write_shards()
    assert [job for kind in JobKind for job in ledgers.ready(kind)] == []
    assert ledgers.status(build).runnable > 0


def test_a_job_that_waits_for_its_next_try_is_runnable() -> None:
    build = opened()
    ledgers.fail(ledgers.claim(ledgers.ready(JobKind.FETCH)[0].id), NetworkError("Away.", retry_after=5000))
    assert runnable(build) > 0


def test_a_job_that_runs_is_runnable() -> None:
    build = opened()
    ledgers.claim(ledgers.ready(JobKind.FETCH)[0].id)
    assert runnable(build) > 0


def test_nothing_goes_on_after_a_plan_died_and_the_others_ended() -> None:
    build = ledgers.ask("a", "b").build
    kill(JobKind.PLAN)
    assert runnable(build) > 0
    ledgers.plan(ledgers.listing("b", 1))
    ledgers.complete()
    assert runnable(build) == 0


def test_nothing_goes_on_after_a_plan_died_even_where_sessions_may_be_missing() -> None:
    build = ledgers.ask("a", allow_missing=True).build
    kill(JobKind.PLAN)
    assert runnable(build) == 0


def test_nothing_goes_on_after_one_asset_of_a_session_died() -> None:
    build = opened(2, assets=2)
    kill(JobKind.FETCH)
    assert runnable(build) > 0
    ledgers.complete()
    assert runnable(build) == 0


@pytest.mark.parametrize("missing", ["refused", "allowed"])
def test_nothing_goes_on_after_a_bin_died_unless_it_may_be_missing(missing: str) -> None:
    build = opened(2, allow_missing=missing == "allowed")
    ledgers.fetch_all()
    ledgers.sweep_once()
    kill(JobKind.BIN)
    ledgers.complete()
    assert (runnable(build) > 0) == (missing == "allowed")


@pytest.mark.parametrize("kind", [JobKind.FREEZE, JobKind.SHARD, JobKind.ASSEMBLE])
def test_nothing_goes_on_after_a_part_of_the_release_died(kind: JobKind) -> None:
    build = ledgers.done_build().build
    if kind is not JobKind.FREEZE:
        ledgers.freeze(shards=2)
    if kind is JobKind.ASSEMBLE:
        ledgers.write_shards()
        ledgers.sweep_once()
    kill(kind)
    if kind is JobKind.SHARD:
        assert runnable(build) > 0
        ledgers.write_shards()
    assert runnable(build) == 0
    with transaction() as ledger:
        admin.retry_dead(ledger)
    assert runnable(build) > 0


@pytest.mark.parametrize("stage", ["planned", "fetched", "freezing", "frozen"])
@pytest.mark.parametrize("how", ["cancelled", "superseded"])
def test_nothing_goes_on_in_a_build_that_nobody_wants(stage: str, how: str) -> None:
    build = opened(2)
    if stage != "planned":
        ledgers.fetch_all()
        ledgers.sweep_once()
    if stage in {"freezing", "frozen"}:
        ledgers.bin_all()
        ledgers.sweep_once()
    if stage == "frozen":
        ledgers.freeze()
    if how == "cancelled":
        with transaction() as ledger:
            admin.cancel_builds(ledger)
    else:
        ledgers.ask("b")
    assert runnable(build) == 0
    assert ledgers.status(build).state == how


def test_a_build_of_which_everything_was_skipped_goes_on_to_its_freeze() -> None:
    build = opened(2)
    for name in ("a-0", "a-1"):
        with transaction() as ledger:
            admin.skip(ledger, name, "noise")
    assert runnable(build) == 1
    kill(JobKind.FREEZE)
    assert runnable(build) == 0


def test_sessions_beyond_the_limit_do_not_keep_a_build_going() -> None:
    build = opened(3, session_limit=1)
    ledgers.fetch_all()
    ledgers.sweep_once()
    kill(JobKind.BIN)
    assert [job.state for job in ledgers.jobs(JobKind.BIN)][1:] == [JobState.BLOCKED] * 2
    assert runnable(build) == 0


def test_a_session_that_is_too_large_for_the_spool_is_runnable() -> None:
    build = ledgers.ask("a").build
    ledgers.plan(ledgers.listing("a", 2))
    for left in (2, 1):
        ledgers.sweep_once(capacity=1)
        assert ledgers.status(build).runnable > 0
        assert len(ledgers.ready(JobKind.FETCH)) == 1
        ledgers.fetch_all()
        ledgers.sweep_once(capacity=1)
        ledgers.bin_all()
        assert len(ledgers.jobs(JobKind.BIN, JobState.BLOCKED)) == left - 1
