"""What failed, each as one line."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from spikemill.services.cli.report import dead_line, dead_lines, described, left_out_line
from spikemill.services.common.ledger.build_queries import Failure, LeftOut

HOME = Path("/a lab")


def failure(**changes: Any) -> Failure:
    """Make a failure of a session that is dead."""
    dead = Failure(
        kind="bin",
        state="dead",
        source="lab",
        session="lab/sub 1/day",
        file="sub 1/day.nwb",
        attempt=1,
        failures=1,
        crashes=0,
        error_class="RecordingError",
        error="sub 1/day.nwb: no units table;\nexclude it",
        not_before=datetime(2020, 1, 1, tzinfo=UTC),
    )
    return replace(dead, **changes)


@pytest.mark.parametrize("kind", ["bin", "stream"])
def test_a_line_says_what_is_wrong_and_what_to_type(kind: str) -> None:
    assert dead_line(failure(kind=kind), HOME) == (
        "lab: sub 1/day.nwb: no units table; exclude it "
        "(to go on without it: spikemill skip 'lab/sub 1/day' --reason WHY --home '/a lab')"
    )
    planning = failure(kind="plan", session="lab", file=None, error="lab: none of the 3 assets is selected")
    assert dead_line(planning, HOME) == (
        "lab: none of the 3 assets is selected (to try it again: spikemill retry --home '/a lab')"
    )


def test_a_session_whose_copies_all_failed_is_one_line() -> None:
    both = [failure(kind="fetch", file=name, error=f"{name}: gone") for name in ("a.nwb", "b.nwb")]
    assert len(dead_lines([*both, failure(state="ready")], HOME)) == 1


@pytest.mark.parametrize(
    ("source", "file", "error", "line"),
    [
        ("lab", "a.nwb", "it is empty", "lab: a.nwb: it is empty"),
        ("lab", "lab/a.nwb", "lab/a.nwb: it is empty", "lab: lab/a.nwb: it is empty"),
        ("lab", None, "lab, group: finds nothing", "lab, group: finds nothing"),
        ("lab", None, "laboratory is closed", "lab: laboratory is closed"),
    ],
)
def test_source_and_file_are_named_once(source: str, file: str | None, error: str, line: str) -> None:
    assert described(source, file, error) == line


def test_what_a_pile_goes_without_is_said_with_its_reason() -> None:
    skipped = LeftOut("lab", "lab/1/a", "1/a.nwb", skipped_because="noise", error="old")
    failed = LeftOut("lab", "lab/1/b", "1/b.nwb", skipped_because=None, error="1/b.nwb: empty")
    assert left_out_line(skipped) == "lab/1/a: skipped: noise"
    assert left_out_line(failed) == "lab: 1/b.nwb: empty"
