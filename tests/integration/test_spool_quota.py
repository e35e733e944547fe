"""Room in the spool: first in, first out, given and taken whole, and never a deadlock."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from random import Random
from threading import Barrier
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spikemill.services.common.database import transaction
from spikemill.services.common.errors import AssetError, NetworkError, RecordingError
from spikemill.services.common.ledger import admin, sessions
from spikemill.services.common.models import JobKind, JobState
from spikemill.services.common.types import Asset as ListedAsset
from spikemill.services.common.types import PlannedSession
from tests.integration import ledgers


def admit(capacity: int) -> int:
    with transaction() as ledger:
        return sessions.admit_sessions(ledger, capacity=capacity)


def admitted() -> list[int]:
    """Return the places in the listing of the sessions that hold room."""
    return [session.ordinal for session in ledgers.sessions() if session.admitted_at is not None]


def listing_of(sizes: list[list[int]]) -> list[PlannedSession]:
    """Make up a listing whose sessions have assets of these sizes."""
    return [
        PlannedSession(
            key=f"{number:03}.nwb",
            subject_id=None,
            session_id=f"{number:03}",
            assets=[
                ListedAsset(f"{number}-{part}", f"{number}-{part}", size, {})
                for part, size in enumerate(parts)
            ],
        )
        for number, parts in enumerate(sizes)
    ]


def planned(*sizes: list[int]) -> None:
    ledgers.ask("a")
    ledgers.plan(listing_of(list(sizes)))


def test_sessions_enter_in_their_order_while_they_fit() -> None:
    planned([40], [50], [20], [1])
    assert admit(100) == 2
    assert admitted() == [0, 1]
    assert ledgers.reserved() == 90
    assert len(ledgers.jobs(JobKind.FETCH, JobState.READY)) == 2
    assert admit(100) == 0


def test_a_small_session_does_not_overtake_a_large_one() -> None:
    planned([60], [50], [1])
    assert admit(100) == 1
    assert admitted() == [0]


def test_a_session_larger_than_the_spool_enters_alone() -> None:
    planned([500], [500], [10])
    assert admit(100) == 1
    assert admit(100) == 0
    ledgers.fetch_all()
    ledgers.sweep_once(100)
    ledgers.bin_all()
    assert ledgers.reserved() == 0
    assert admit(100) == 1
    assert admitted() == [1]


def test_a_session_enters_with_all_its_assets_at_once() -> None:
    planned([30, 30], [30, 30], [30])
    assert admit(100) == 1
    assert ledgers.reserved() == 60
    assert len(ledgers.jobs(JobKind.FETCH, JobState.READY)) == 2


def test_a_session_holds_its_room_until_it_is_binned() -> None:
    planned([60, 40], [1])
    admit(100)
    ledgers.fetch_all()
    ledgers.sweep_once(100)
    assert admitted() == [0]
    ledgers.bin_all()
    assert ledgers.reserved() == 0
    assert {asset.local_path for asset in ledgers.assets()} == {None}


@pytest.mark.parametrize("kind", [JobKind.FETCH, JobKind.BIN])
def test_a_dead_session_frees_its_room(kind: JobKind) -> None:
    planned([60, 40], [100])
    ledgers.sweep_once(100)
    if kind is JobKind.BIN:
        ledgers.fetch_all()
        ledgers.sweep_once(100)
    ledgers.fail(ledgers.claim(ledgers.ready(kind)[0].id), AssetError("It is gone."))
    assert ledgers.reserved() == 0
    assert admit(100) == 1
    assert admitted() == [1]


def test_a_skipped_session_frees_its_room() -> None:
    planned([100], [100])
    admit(100)
    with transaction() as ledger:
        admin.skip(ledger, "000", "noise")
    assert admit(100) == 1
    assert admitted() == [1]


def test_what_nobody_waits_for_any_more_does_not_hold_room_for_ever() -> None:
    planned([100])
    ledgers.sweep_once(100)
    ledgers.fetch_all()
    ledgers.ask("b")
    ledgers.plan(ledgers.listing("b", 1))
    ledgers.sweep_once(100)
    assert admitted() == [0]
    assert [session.session_id for session in ledgers.sessions() if session.admitted_at] == ["b-0"]
    ledgers.complete(100)
    ledgers.ask("a")
    ledgers.complete(100)
    assert {job.state for job in ledgers.jobs(JobKind.BIN)} == {JobState.DONE}


def test_a_session_that_somebody_still_works_on_keeps_its_room() -> None:
    planned([100])
    ledgers.sweep_once(100)
    ledgers.claim(ledgers.ready(JobKind.FETCH)[0].id)
    ledgers.ask("b")
    ledgers.plan(ledgers.listing("b", 1))
    ledgers.sweep_once(100)
    assert [session.session_id for session in ledgers.sessions() if session.admitted_at] == ["000"]


def test_a_folders_own_files_take_no_room() -> None:
    source = ledgers.source("a")
    ledgers.ask(sources=[replace(source, archive="files")])
    ledgers.plan(listing_of([[1000], [1000]]))
    assert admit(100) == 2
    assert ledgers.reserved() == 0


def test_two_that_admit_at_once_do_not_give_out_more_than_there_is() -> None:
    planned(*[[30] for _ in range(10)])
    start = Barrier(4)

    def admit_together(_: int) -> int:
        start.wait()
        return admit(100)

    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(admit_together, range(4)))
    assert sum(counts) == 3
    assert ledgers.reserved() == 90


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None)
@given(
    sizes=st.lists(st.lists(st.integers(0, 100), min_size=1, max_size=3), min_size=1, max_size=6),
    capacity=st.integers(1, 150),
    seed=st.integers(0, 2**32),
)
def test_every_session_ends_whatever_its_size_and_whatever_fails(
    sizes: list[list[int]], capacity: int, seed: int
) -> None:
    chance, pile = Random(seed), uuid4().hex  # noqa: S311 - repeatable, not secret
    opened = ledgers.ask(pile, pile=pile, allow_missing=True)
    ledgers.plan(listing_of(sizes))
    for _ in range(40 * len(sizes)):
        ledgers.sweep_once(capacity)
        holding = [session for session in ledgers.sessions() if session.admitted_at is not None]
        assert ledgers.reserved() <= capacity or len([each for each in holding if each.reserved_bytes]) == 1
        waiting = ledgers.ready(JobKind.FETCH) + ledgers.ready(JobKind.BIN)
        if not waiting:
            break
        job = chance.choice(waiting)
        ledgers.set_job(job.id, not_before=ledgers.sources()[0].created_at)
        claimed = ledgers.claim(job.id)
        match chance.randrange(6):
            case 0:
                ledgers.fail(claimed, NetworkError("Away."))
            case 1:
                ledgers.fail(claimed, chance.choice([AssetError("Gone."), RecordingError("No units.")]))
            case 2:
                ledgers.expire(job.id)
            case _ if job.kind is JobKind.FETCH:
                ledgers.finish(claimed, ledgers.fetched(claimed))
            case _:
                ledgers.finish(claimed, ledgers.binned(claimed))
    assert ledgers.reserved() == 0
    assert not ledgers.ready(JobKind.FETCH) + ledgers.ready(JobKind.BIN)
    ledgers.sweep_once(capacity)
    assert ledgers.one_ready(JobKind.FREEZE).release_id == opened.release
    with transaction() as ledger:
        admin.cancel_builds(ledger)
