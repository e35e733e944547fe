"""What is shown of a build on a terminal, and what in a pipe."""

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from spikemill.services.cli.watch import LineView, Pace, Snapshot, sentences, view_on
from spikemill.services.common.ledger.build_queries import Failure

TakeSnapshot = Callable[..., Snapshot]
MakeFailure = Callable[..., Failure]
LATER = 10.0**9


def lines_of(*snapshots: Snapshot) -> list[str]:
    """Return what the plain view writes of the snapshots."""
    text = io.StringIO()
    view = LineView(Console(file=text, soft_wrap=True, markup=False, highlight=False))
    for snapshot in snapshots:
        view.show(snapshot)
    return text.getvalue().splitlines()


def test_a_change_is_a_line_and_what_stays_is_none(take_snapshot: TakeSnapshot) -> None:
    begun = {"queued": 8, "binning": 1, "done": 1}
    assert lines_of(
        take_snapshot(LATER),
        take_snapshot(LATER + 5),
        take_snapshot(LATER + 10, source=begun, tokens=1234),
        take_snapshot(LATER + 15, source=begun, tokens=1234),
    ) == [
        "vcn: 0 of 10 sessions done, 10 queued; 0 tokens",
        "vcn: 1 of 10 sessions done, 8 queued, 1 binning; 1,234 tokens",
    ]


def test_many_changes_are_no_flood(take_snapshot: TakeSnapshot) -> None:
    changes = [take_snapshot(LATER + tenth / 10, tokens=tenth) for tenth in range(100)]
    assert 1 < len(lines_of(*changes)) <= 5


def test_how_a_build_ended_is_told_however_soon_that_is(take_snapshot: TakeSnapshot) -> None:
    ended = {"queued": 0, "done": 10}
    assert lines_of(
        take_snapshot(LATER),
        take_snapshot(LATER + 0.5, source=ended, tokens=1234, status={"state": "released"}),
    ) == [
        "vcn: 0 of 10 sessions done, 10 queued; 0 tokens",
        "vcn: 10 of 10 sessions done; 1,234 tokens",
    ]


def test_silence_is_broken_now_and_then(take_snapshot: TakeSnapshot) -> None:
    written = lines_of(*[take_snapshot(LATER + second) for second in range(100)])
    assert written[1:] == ["0 tokens"] * 3


def test_a_sweeper_that_stands_still_is_named(take_snapshot: TakeSnapshot) -> None:
    silent = {"silent_for": 31.0}
    said = "The sweeper ends no round any more, so nothing new starts: logs/sweeper.log says why."
    assert said in lines_of(take_snapshot(LATER), take_snapshot(LATER + 100, status=silent))
    assert said not in lines_of(take_snapshot(LATER), take_snapshot(LATER + 100))


@pytest.mark.parametrize(("state", "has_workers"), [("released", True), ("open", False)])
def test_no_sweeper_is_missed_where_none_has_to_run(
    take_snapshot: TakeSnapshot, *, state: str, has_workers: bool
) -> None:
    asked_later = take_snapshot(status={"state": state, "silent_for": 3600.0})
    assert list(sentences(asked_later, Pace(), has_workers=has_workers)) == ["0 tokens"]


def test_an_archive_that_is_away_is_named_with_its_next_try(
    take_snapshot: TakeSnapshot, make_failure: MakeFailure
) -> None:
    soon = make_failure(not_before=datetime.now(UTC) + timedelta(hours=2, minutes=30))
    snapshots = [take_snapshot(LATER + second, failures=[soon]) for second in (0, 40)]
    *written, last = lines_of(*snapshots)
    assert written == [
        "vcn: 0 of 10 sessions done, 10 queued; 0 tokens",
        "vcn: api.dandiarchive.org answered 503.",
        "0 tokens",
    ]
    assert last.startswith("vcn: api.dandiarchive.org answered 503. Next try in 2 h ")


def test_a_terminal_shows_a_table_of_80_columns(
    take_snapshot: TakeSnapshot, make_failure: MakeFailure
) -> None:
    text = io.StringIO()
    console = Console(
        file=text, force_terminal=True, width=80, markup=False, highlight=False, legacy_windows=False
    )
    with view_on(console) as view:
        view.show(take_snapshot(LATER, source={"queued": 3, "fetching": 4, "done": 3}, tokens=36_681_686_005))
        view.show(
            take_snapshot(
                LATER + 10,
                source={"queued": 0, "done": 9, "skipped": 1},
                tokens=2 * 36_681_686_005,
                status={"release_state": "frozen", "shards": 70, "shards_done": 7},
                failures=[make_failure()],
            )
        )
    written = text.getvalue()
    for shown in (
        "fetching",
        "36,681,686,005",
        "73,363,372,010 tokens, 3.7 G tokens/s",
        "7 of 70 shards",
        "now",
    ):
        assert shown in written
