"""What people see of a build: progress, tokens beside what was expected, and failures."""

from dataclasses import replace
from typing import Any

from spikemill.services.common.database import transaction
from spikemill.services.common.errors import AssetError, NetworkError, RecordingError
from spikemill.services.common.ledger import admin, build_queries
from spikemill.services.common.models import JobKind, ReleaseState
from tests.integration import ledgers


def progress(build: int) -> build_queries.SourceProgress:
    with transaction() as ledger:
        (found,) = build_queries.progress_of(ledger, build)
    return found


def failures(build: int) -> list[build_queries.Failure]:
    with transaction() as ledger:
        return list(build_queries.failures_of(ledger, build))


def opened(sessions: int = 1, **changes: Any) -> int:
    """Ask for a build of one source, seal it and let its assets be fetched; return the build."""
    build = ledgers.ask("a", **changes).build
    ledgers.plan(ledgers.listing("a", sessions))
    ledgers.sweep_once()
    return build


def test_progress_counts_each_session_once_in_its_state() -> None:
    build = opened(6)
    ledgers.fetch_all()
    ledgers.sweep_once()
    first, second, third, *_ = ledgers.ready(JobKind.BIN)
    ledgers.bin_one(first.id)
    ledgers.fail(ledgers.claim(second.id), RecordingError("No units."))
    ledgers.claim(third.id)
    with transaction() as ledger:
        admin.skip(ledger, "a-5", "noise")
    found = progress(build)
    assert (found.sessions, found.done, found.failed, found.skipped, found.binning) == (6, 1, 1, 1, 3)
    assert found.sealed


def test_progress_tells_what_waits_for_room_from_what_is_fetched() -> None:
    build = ledgers.ask("a").build
    found = progress(build)
    assert (found.sealed, found.plan_state, found.sessions) == (False, "ready", 0)
    ledgers.plan(ledgers.listing("a", 3))
    ledgers.sweep_once(capacity=200)
    assert (progress(build).fetching, progress(build).queued) == (2, 1)


def test_progress_keeps_to_the_limit_of_its_build() -> None:
    assert progress(opened(5, session_limit=2)).sessions == 2


def test_the_token_ledger_stands_beside_what_was_expected() -> None:
    asked = replace(ledgers.source("a"), expected={"sessions": 3, "tokens": 100})
    build = ledgers.ask(sources=[asked, ledgers.source("b")]).build
    ledgers.plan(ledgers.listing("a", 2))
    ledgers.complete()
    with transaction() as ledger:
        first, second = build_queries.tokens_of(ledger, build)
    assert (first.source, first.sessions, first.subjects, first.rows) == ("a", 2, 2, 2)
    assert (first.tokens, first.spikes, first.bytes) == (40, 10, 60)
    assert (first.expected_sessions, first.expected_subjects, first.expected_tokens) == (3, None, 100)
    assert (second.source, second.sessions, second.tokens, second.expected_tokens) == ("b", 0, 0, None)
    assert ledgers.status(build).tokens_done == 40


def test_tokens_that_were_made_of_rates_are_told_apart() -> None:
    rates = replace(ledgers.source("a"), config={"name": "a", "reader": "nwb-rates"})
    spikes = replace(ledgers.source("b"), config={"name": "b", "reader": "nwb-units"})
    build = ledgers.ask(sources=[rates, spikes]).build
    for name in ("a", "b"):
        ledgers.plan(ledgers.listing(name, 2))
    ledgers.complete()
    with transaction() as ledger:
        counts = build_queries.tokens_of(ledger, build)
    assert [(count.source, count.tokens, count.estimated_tokens) for count in counts] == [
        ("a", 40, 40),
        ("b", 40, 0),
    ]


def test_a_failure_names_source_session_and_file() -> None:
    build = opened()
    ledgers.fail(ledgers.claim(ledgers.ready(JobKind.FETCH)[0].id), AssetError("It is gone."))
    (failure,) = failures(build)
    assert (failure.kind, failure.state, failure.source) == ("fetch", "dead", "a")
    assert (failure.session, failure.file) == ("a/sub-0/a-0", "sub-0/0.nwb")
    assert (failure.error_class, failure.error) == ("AssetError", "It is gone.")


def test_a_failure_that_is_tried_again_is_listed_until_it_is_done() -> None:
    build = opened()
    job = ledgers.ready(JobKind.FETCH)[0].id
    ledgers.fail(ledgers.claim(job), NetworkError("Away."))
    assert [failure.state for failure in failures(build)] == ["ready"]
    ledgers.set_job(job, not_before=ledgers.sources()[0].created_at)
    ledgers.fetch_one(job)
    assert failures(build) == []


def test_the_open_build_is_the_one_that_people_mean() -> None:
    first = ledgers.done_build().build
    ledgers.publish()
    with transaction() as ledger:
        assert build_queries.newest_build(ledger) == first
    second = ledgers.ask("b").build
    with transaction() as ledger:
        assert build_queries.newest_build(ledger) == second


def test_another_release_of_a_published_build_is_what_the_status_shows() -> None:
    build = ledgers.done_build().build
    ledgers.publish()
    assert ledgers.status(build).release_state == ReleaseState.PUBLISHED
    second = ledgers.ask("a", parameters={"seed": 1})
    found = ledgers.status(build)
    assert (found.release, found.release_state, found.state) == (second.release, "waiting", "open")
