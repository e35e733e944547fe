"""Two transactions at the same moment: one waits for the other, and neither undoes what the other did."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session as Transaction

from spikemill.services.common.database import transaction
from spikemill.services.common.errors import AssetError, NoRangesError, SupersededError
from spikemill.services.common.ledger import admin, builds, dispatch, jobs, releases, repair
from spikemill.services.common.ledger import sessions as session_queries
from spikemill.services.common.ledger.jobs import Result
from spikemill.services.common.models import JobKind, JobState, ReleaseState
from tests.integration import ledgers

_WAITING = text("""
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
""")


@contextmanager
def beside(work: Callable[[], object]) -> Iterator[Future[object]]:
    """Start work in another transaction, and go on when it waits for a lock or has ended."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work)
        while not future.done():
            with transaction() as ledger:
                if ledger.scalar(_WAITING):
                    break
        yield future


def claim_all(kind: JobKind) -> list[jobs.Claim]:
    return [ledgers.claim(job.id) for job in ledgers.ready(kind)]


def fetching(sessions: int = 1, *, assets: int = 1) -> list[jobs.Claim]:
    """Bring a source to where its assets are being fetched."""
    ledgers.ask("a", allow_missing=True)
    ledgers.plan(ledgers.listing("a", sessions, assets=assets))
    ledgers.sweep_once()
    return claim_all(JobKind.FETCH)


def test_two_assets_of_a_session_may_die_at_once() -> None:
    first, second = fetching(assets=2)
    with transaction() as ledger:
        jobs.fail(ledger, first, AssetError("Gone."))
        with beside(lambda: ledgers.fail(second, AssetError("Gone."))) as other:
            ledger.commit()
            with pytest.raises(SupersededError):
                other.result()
    assert ledgers.reserved() == 0
    assert {job.state for job in ledgers.jobs(JobKind.FETCH)} == {JobState.DEAD, JobState.BLOCKED}


def test_an_asset_may_die_while_the_sweeper_expires_its_sibling() -> None:
    first, second = fetching(assets=2)
    ledgers.set_job(second.job, crashes=2)
    ledgers.expire(second.job)
    with transaction() as ledger:
        jobs.fail(ledger, first, AssetError("Gone."))
        with beside(lambda: _in_transaction(dispatch.expire_leases)) as other:
            ledger.commit()
            other.result()
    assert ledgers.reserved() == 0


def _in_transaction(step: Callable[..., object]) -> object:
    with transaction() as ledger:
        return step(ledger)


def test_a_finish_whose_first_commit_is_still_under_way_counts_once() -> None:
    """The connection was lost before the answer came; the second try meets the first one's lock."""
    (claimed,) = fetching()
    result = ledgers.fetched(claimed)
    with transaction() as ledger:
        jobs.finish(ledger, claimed, result)
        with beside(lambda: _in_transaction(lambda again: jobs.finish(again, claimed, result))) as other:
            ledger.commit()
            assert other.result() is JobState.DONE
    assert ledgers.job(claimed.job).attempt == 1


def test_a_skipped_session_is_not_let_into_the_spool_at_the_same_moment() -> None:
    ledgers.ask("a")
    ledgers.plan(ledgers.listing("a", 1))
    with transaction() as ledger:
        admin.skip(ledger, "a-0", "noise")
        with beside(
            lambda: _in_transaction(lambda other: session_queries.admit_sessions(other, capacity=1000))
        ) as other:
            ledger.commit()
            assert other.result() == 0
    assert ledgers.reserved() == 0


def test_the_gate_does_not_open_on_a_session_that_is_being_reopened() -> None:
    opened = ledgers.ask("a")
    ledgers.plan(ledgers.listing("a", 1))
    ledgers.sweep_once()
    ledgers.fetch_all()
    ledgers.sweep_once()
    ledgers.bin_all()
    with transaction() as ledger:
        repair.reopen_session(ledger, ledgers.sessions()[0].id, "Its chunk is gone.")
        with beside(lambda: _in_transaction(releases.fire_gates)) as other:
            ledger.commit()
            other.result()
    assert ledgers.jobs(JobKind.FREEZE) == []
    assert ledgers.release(opened.release).state is ReleaseState.WAITING


@pytest.mark.parametrize("how", ["cancel", "another build", "reopen"])
def test_a_release_is_either_published_or_withdrawn(how: str) -> None:
    """Both take the same locks in the same order, so that they wait for each other and none fails."""
    opened = ledgers.done_build()
    ledgers.freeze()
    ledgers.write_shards()
    ledgers.sweep_once()
    claimed = ledgers.claim(ledgers.one_ready(JobKind.ASSEMBLE).id)
    session_id = ledgers.sessions()[0].id

    def withdraw() -> None:
        if how == "another build":
            ledgers.ask("b")
            return
        with transaction() as ledger:
            if how == "cancel":
                admin.cancel_builds(ledger)
            else:
                repair.reopen_session(ledger, session_id, "Its chunk is gone.")

    with transaction() as ledger:
        jobs.finish(ledger, claimed, ledgers.assembled(claimed))
        with beside(withdraw) as other:
            ledger.commit()
            other.result()
    assert ledgers.release(opened.release).state is ReleaseState.PUBLISHED


def test_the_pile_is_not_switched_to_a_release_that_is_outdated_meanwhile() -> None:
    opened = ledgers.done_build()
    ledgers.freeze()
    with transaction() as ledger:
        assert releases.is_in_progress(ledger, opened.release)
        with beside(lambda: ledgers.ask("b")) as other:
            assert not other.done()
            ledger.commit()
            other.result()
    assert not _in_transaction(lambda session: releases.is_in_progress(session, opened.release))


def test_a_bin_is_not_let_go_while_its_session_is_started_again() -> None:
    ledgers.ask("a")
    ledgers.plan(ledgers.listing("a", 1))
    ledgers.sweep_once()
    ledgers.fetch_all()
    with transaction() as ledger:
        session_queries.restart_session(ledger, ledgers.sessions()[0].id)
        with beside(lambda: _in_transaction(dispatch.promote_unblocked)) as other:
            ledger.commit()
            other.result()
    assert ledgers.only(JobKind.BIN).state is JobState.BLOCKED


def streaming(fetch: str = "stream") -> jobs.Claim:
    """Bring a source to where its session is being streamed."""
    ledgers.ask("a", fetch=fetch)
    ledgers.plan(ledgers.listing("a", 1))
    ledgers.sweep_once()
    return ledgers.claim(ledgers.one_ready(JobKind.STREAM).id)


def test_a_sessions_counts_are_recorded_while_the_fetch_of_its_source_is_changed() -> None:
    """Both take the same locks in the same order, also where the change comes between two of them."""
    claimed = streaming()
    changes: list[Future[object]] = []
    with ExitStack() as stack:

        def record(ledger: Transaction) -> None:
            changes.append(stack.enter_context(beside(lambda: ledgers.ask("a", fetch="copy"))))
            assert not changes[0].done()
            ledgers.streamed(claimed).record(ledger)

        ledgers.finish(claimed, Result({}, record))
    changes[0].result()
    assert ledgers.only(JobKind.STREAM).state is JobState.DONE


def test_a_session_that_is_being_moved_to_another_way_is_not_claimed_on_the_old_one() -> None:
    ledgers.ask("a", fetch="stream")
    ledgers.plan(ledgers.listing("a", 1))
    ledgers.sweep_once()
    job = ledgers.one_ready(JobKind.STREAM).id
    request = builds.BuildRequest("pile", None, [ledgers.source("a", fetch="copy")], ledgers.PARAMETERS)
    with transaction() as ledger:
        builds.open_build(ledger, request)
        with beside(lambda: _in_transaction(lambda other: jobs.claim(other, job))) as other:
            ledger.commit()
            assert other.result() is None
    assert ledgers.only(JobKind.BIN).state is JobState.BLOCKED


def test_a_session_is_handed_over_while_the_fetch_of_its_source_is_changed() -> None:
    claimed = streaming("stream-or-copy")
    with transaction() as ledger:
        jobs.fail(ledger, claimed, NoRangesError("The server serves no parts."))
        with beside(lambda: ledgers.ask("a", fetch="stream")) as other:
            ledger.commit()
            other.result()
    assert ledgers.only(JobKind.STREAM).id == claimed.job
    ledgers.complete()
    assert ledgers.only(JobKind.STREAM).state is JobState.DONE


@pytest.mark.parametrize("first", ["seal", "change"])
def test_a_source_that_is_sealed_while_its_fetch_is_changed_goes_the_new_way(first: str) -> None:
    ledgers.ask("a")
    claimed = ledgers.claim(ledgers.one_ready(JobKind.PLAN).id)

    def seal(ledger: Transaction) -> None:
        jobs.finish(ledger, claimed, ledgers.planned(claimed))

    def change(ledger: Transaction) -> None:
        request = builds.BuildRequest("pile", None, [ledgers.source("a", fetch="stream")], ledgers.PARAMETERS)
        builds.open_build(ledger, request)

    begun, late = (seal, change) if first == "seal" else (change, seal)
    with transaction() as ledger:
        begun(ledger)
        with beside(lambda: _in_transaction(late)) as other:
            assert not other.done()
            ledger.commit()
            other.result()
    assert len(ledgers.jobs(JobKind.STREAM)) == 2
    assert ledgers.jobs(JobKind.BIN) == []
