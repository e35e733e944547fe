"""What people ask of the ledger, and what changes when they ask for nearly the same again."""

import pytest
from sqlalchemy import select

from spikemill.services.common.database import transaction
from spikemill.services.common.errors import CallError, RecordingError
from spikemill.services.common.ledger import admin, build_queries, builds
from spikemill.services.common.ledger.build_queries import AssetBytes
from spikemill.services.common.models import JobKind, JobState, SourceVersion
from spikemill.services.common.types import Asset as ListedAsset
from spikemill.services.common.types import PlannedSession
from tests.integration import ledgers


def build_with_a_dead_session() -> int:
    """Ask for two sessions, of which the first is done and the second dead."""
    build = ledgers.ask("a").build
    ledgers.plan(ledgers.listing("a", 2))
    ledgers.sweep_once()
    ledgers.fetch_all()
    ledgers.sweep_once()
    first, second = ledgers.jobs(JobKind.BIN, JobState.READY)
    ledgers.bin_one(first.id)
    ledgers.fail(ledgers.claim(second.id), RecordingError("a-1.nwb: no units table"))
    return build


def test_what_a_build_goes_without_is_told_with_its_error_or_reason() -> None:
    build = build_with_a_dead_session()
    with transaction() as ledger:
        (failed,) = build_queries.left_out_of(ledger, build)
    assert (failed.session, failed.file) == ("a/sub-1/a-1", "sub-1/a-1.nwb")
    assert (failed.error, failed.skipped_because) == ("a-1.nwb: no units table", None)
    with transaction() as ledger:
        admin.skip(ledger, "a/sub-1/a-1", "noise")
        (skipped,) = build_queries.left_out_of(ledger, build)
    assert skipped.skipped_because == "noise"


def test_a_session_whose_copy_failed_is_told_with_that_error() -> None:
    build = ledgers.ask("a").build
    ledgers.plan(ledgers.listing("a", 1))
    ledgers.sweep_once()
    (fetch,) = ledgers.jobs(JobKind.FETCH, JobState.READY)
    ledgers.fail(ledgers.claim(fetch.id), RecordingError("gone"))
    with transaction() as ledger:
        assert [left.error for left in build_queries.left_out_of(ledger, build)] == ["gone"]


def test_bytes_are_settled_when_their_session_needs_no_more_work() -> None:
    build = ledgers.ask("a").build
    with transaction() as ledger:
        assert build_queries.asset_bytes_of(ledger, build) == AssetBytes(0, 0)
    ledgers.plan(ledgers.listing("a", 3, assets=2, size=10))
    ledgers.sweep_once()
    ledgers.fetch_all()
    ledgers.sweep_once()
    ledgers.bin_one(ledgers.jobs(JobKind.BIN, JobState.READY)[0].id)
    with transaction() as ledger:
        assert build_queries.asset_bytes_of(ledger, build) == AssetBytes(60, 20)


def test_a_build_that_sources_were_added_to_has_a_successor() -> None:
    first = ledgers.ask("a").build
    with transaction() as ledger:
        assert build_queries.successor_of(ledger, first) is None
    second = ledgers.ask("b", adds_to_open_build=True).build
    with transaction() as ledger:
        assert build_queries.successor_of(ledger, first) == second


@pytest.mark.parametrize("other", ["another source", "another limit"])
def test_another_build_of_the_pile_is_no_successor(other: str) -> None:
    first = ledgers.ask("a").build
    ledgers.ask("b") if other == "another source" else ledgers.ask("a", "b", session_limit=1)
    with transaction() as ledger:
        assert build_queries.successor_of(ledger, first) is None


def test_texts_and_expected_figures_are_those_of_the_newest_call() -> None:
    ledgers.ask("a")
    old = ledgers.source("a")
    new = builds.SourceRequest(
        old.digest, old.name, old.archive, old.api, {"citation": "new"}, old.format_id, {"tokens": 7}
    )
    ledgers.ask(sources=[new])
    with transaction() as ledger:
        (source,) = ledger.scalars(select(SourceVersion))
    assert (source.config, source.expected) == ({"citation": "new"}, {"tokens": 7})


def test_spare_chunks_are_forgotten_and_made_again_when_they_are_wanted() -> None:
    build_with_a_dead_session()
    with transaction() as ledger:
        assert admin.prune_chunks(ledger) == []
    with transaction() as ledger:
        admin.cancel_builds(ledger)
        assert len(admin.prune_chunks(ledger)) == 1
    assert {job.state for job in ledgers.jobs(JobKind.BIN)} == {JobState.BLOCKED, JobState.DEAD}
    ledgers.ask("a")
    ledgers.complete()
    assert len(ledgers.jobs(JobKind.BIN, JobState.DONE)) == 1


def test_a_listed_session_is_skipped_by_its_source_and_key() -> None:
    build = ledgers.ask("a", "b").build
    same_key = [PlannedSession("day.nwb", "day", None, [ListedAsset("day", "day.nwb", 1)])]
    for plan in ledgers.jobs(JobKind.PLAN):
        ledgers.plan(same_key, plan.id)
    with transaction() as ledger:
        admin.skip_listed(ledger, build, "b", "day.nwb", "noise")
        admin.skip_listed(ledger, build, "b", "night.nwb", "was never listed")
        assert [(left.source, left.skipped_because) for left in build_queries.left_out_of(ledger, build)] == [
            ("b", "noise")
        ]


def test_a_done_session_is_not_skipped() -> None:
    build = build_with_a_dead_session()
    with transaction() as ledger, pytest.raises(CallError, match="is done"):
        admin.skip_listed(ledger, build, "a", "sub-0/a-0.nwb", "noise")
