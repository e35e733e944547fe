"""What a command says at its end: the state of a build, its tokens, failures and results."""

import csv
import io
import json
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from spikemill.services.cli.format import count, duration, figures_table, markdown_table, print_error, size
from spikemill.services.cli.local.home import Home
from spikemill.services.cli.watch import Ending, Pace, Snapshot, progress_table, sentences
from spikemill.services.common.hub_target import HubTarget
from spikemill.services.common.ledger.build_queries import BuildStatus, Failure, LeftOut, TokenCount
from spikemill.services.common.models import COUNTING, BuildState, JobKind, JobState, ReleaseState

_STATES = {
    BuildState.RELEASED: "the pile stands",
    BuildState.CANCELLED: "cancelled; building again takes it up",
    BuildState.SUPERSEDED: "another build of this pile took its place",
}
_UNDER_WAY = {
    ReleaseState.WAITING: "under way",
    ReleaseState.FROZEN: "the pile is being merged",
    ReleaseState.PUBLISHED: "the pile stands, and is being pushed to the hub",
    ReleaseState.OUTDATED: "under way",
}
_HEADINGS = ("sessions", "subjects", "rows", "tokens", "expected", "bytes")
_ESTIMATED = "*"
TOTAL = "total"
COLUMNS = tuple(field.name for field in fields(TokenCount))
_COUNTED = tuple(name for name in COLUMNS[1:] if not name.startswith("expected_"))


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a build; `worked` tells whether there was anything to do.

    `push` is where the pile was to be pushed to, and `commit` what holds it there.
    """

    ending: Ending
    last: Snapshot
    counts: Sequence[TokenCount]
    left_out: Sequence[LeftOut]
    sessions_binned: int
    seconds: float
    worked: bool
    push: HubTarget | None = None
    commit: str | None = None


def tell(outcome: Outcome, home: Home, console: Console) -> bool:
    """Say how the build ended; return whether the pile is where it was asked for."""
    if outcome.ending is Ending.RELEASED:
        _tell_release(outcome, home.pile, console)
        return _tell_push(outcome, console)
    if outcome.ending is Ending.STUCK:
        _tell_stuck(outcome, home, console)
    elif outcome.ending is Ending.CANCELLED:
        print_error("The build was cancelled from elsewhere; the same command takes it up again.")
    else:
        print_error(
            f"Another build of {outcome.last.status.pile} took the place of this one; no pile was made here."
        )
    return False


def _tell_release(outcome: Outcome, pile: Path, console: Console) -> None:
    console.print(token_table(outcome.counts))
    if outcome.left_out:
        console.print(f"The pile goes without {count(len(outcome.left_out), 'session')}:")
        for left_out in outcome.left_out:
            console.print(f"  {left_out_line(left_out)}")
    console.print(_what_was_done(outcome))
    console.print(f"Pile: {pile}")


def _tell_push(outcome: Outcome, console: Console) -> bool:
    """Say where the pile is on the hub; return whether it is where it was asked for."""
    if outcome.push is None:
        return True
    if outcome.commit is None:
        print_error(f"It is not pushed to {outcome.push}: another call took that back. Say --push again.")
        return False
    console.print(f"Pushed to {outcome.push}: {outcome.push.address_of(outcome.commit)}")
    return True


def _what_was_done(outcome: Outcome) -> str:
    if not outcome.worked:
        return "Nothing to do: this pile stands already."
    done = outcome.last.sessions_done
    kept = f", {count(done - outcome.sessions_binned, 'session')} were there already"
    return (
        f"Binned {count(outcome.sessions_binned, 'session')} in {duration(outcome.seconds)}"
        f"{kept if done > outcome.sessions_binned else ''}."
    )


def _tell_stuck(outcome: Outcome, home: Home, console: Console) -> None:
    lines = dead_lines(outcome.last.dead, home.path)
    for line in lines or ["Nothing can run any more, and nothing failed: see the logs of the home."]:
        print_error(line)
    if outcome.last.status.release_state == ReleaseState.PUBLISHED:
        console.print(
            f"The pile stands in {home.pile}, but it is not pushed to {outcome.last.status.hub}. "
            "`spikemill retry` sends the push back to the queue; then say the same build again."
        )
        return
    done = outcome.last.sessions_done
    console.print(
        f"No new pile was made. {count(done, 'session')} {'is' if done == 1 else 'are'} done and stay so. "
        "`spikemill retry` sends what failed back to the queue, `spikemill skip` skips one session, "
        "`--allow-missing` all that failed; then build again."
    )


def print_status(
    snapshot: Snapshot, left_out: Sequence[LeftOut], home: Path, console: Console, *, has_workers: bool
) -> None:
    """Print the build, its sources, what failed and what it goes without."""
    status = snapshot.status
    console.print(f"Build {status.build} of {status.pile}: {state_text(snapshot, has_workers=has_workers)}.")
    console.print(progress_table(snapshot))
    said = sentences(snapshot, Pace(), has_workers=has_workers)
    for line in [*said, *_troubles(snapshot, left_out, home)]:
        console.print(line)


def state_text(snapshot: Snapshot, *, has_workers: bool) -> str:
    """Say in a few words where the build stands as a whole."""
    status = snapshot.status
    if (state := BuildState(status.state)) is not BuildState.OPEN:
        return _STATES[state]
    if not status.runnable:
        return "it can go no further before what failed is retried or skipped"
    if not has_workers:
        return "nothing runs; the same `spikemill build` goes on with it"
    return _UNDER_WAY[ReleaseState(status.release_state)]


def _troubles(snapshot: Snapshot, left_out: Sequence[LeftOut], home: Path) -> Iterator[str]:
    if dead := dead_lines(snapshot.dead, home):
        yield f"{count(len(dead), 'failure')} for good:"
        yield from (f"  {line}" for line in dead)
    elif left_out:
        yield f"It goes without {count(len(left_out), 'session')}:"
        yield from (f"  {left_out_line(session)}" for session in left_out)
    if snapshot.status.digest and snapshot.status.release_state == ReleaseState.PUBLISHED:
        yield f"Release: {snapshot.status.digest}"
    yield from _hub(snapshot.status)


def _hub(status: BuildStatus) -> Iterator[str]:
    """Say where on the hub the release is, or is to be."""
    if status.hub is not None and status.hub_commit is not None:
        where = f"{status.hub.repository}, branch {status.hub.revision}"
        yield f"Hub: {where}: {status.hub.address_of(status.hub_commit)}"
    elif status.hub is not None and status.state == BuildState.OPEN:
        yield f"Hub: to be pushed to {status.hub.repository}, branch {status.hub.revision}"


def status_document(snapshot: Snapshot, left_out: Sequence[LeftOut]) -> Mapping[str, Any]:
    """Return the build, its sources, its failures, what it goes without; moments are ISO 8601 texts."""
    return {
        "build": asdict(snapshot.status),
        "sources": [
            asdict(source) | {"tokens": snapshot.tokens.get(source.source, 0)} for source in snapshot.progress
        ],
        "bytes": asdict(snapshot.bytes),
        "failures": [_with_texts(asdict(failure)) for failure in snapshot.failures],
        "left_out": [asdict(session) for session in left_out],
    }


def _with_texts(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()
    }


def dead_lines(failures: Sequence[Failure], home: Path) -> list[str]:
    """Return a line per session and other piece of work that failed for good."""
    lines: dict[str, str] = {}
    for failure in failures:
        if failure.state == JobState.DEAD:
            lines.setdefault(failure.session or f"{failure.source}/{failure.kind}", dead_line(failure, home))
    return list(lines.values())


def dead_line(failure: Failure, home: Path) -> str:
    """Return what is wrong with one piece of work, and what a person can do."""
    text = described(failure.source, failure.file, failure.error)
    return f"{text} ({_remedy(failure, home)})"


def left_out_line(left_out: LeftOut) -> str:
    """Return why a build goes without a session."""
    if left_out.skipped_because is not None:
        return f"{left_out.session}: skipped: {left_out.skipped_because}"
    return described(left_out.source, left_out.file, left_out.error or "it failed")


def described(source: str, file: str | None, error: str) -> str:
    """Return an error in one line that names source and file, each once."""
    text = " ".join(error.split())
    if file and file not in text:
        text = f"{file}: {text}"
    return text if text.startswith(source) and text[len(source) :][:1] in {":", ","} else f"{source}: {text}"


def _remedy(failure: Failure, home: Path) -> str:
    """Return what to type; the error's own text says what to change."""
    in_home = f"--home {shlex.quote(str(home))}"
    if failure.kind in {JobKind.FETCH, *COUNTING}:
        return f"to go on without it: spikemill skip {shlex.quote(failure.session)} --reason WHY {in_home}"
    return f"to try it again: spikemill retry {in_home}"


def token_table(counts: Sequence[TokenCount]) -> Table:
    """Return the token ledger as a table; `3/4` are three of the four that were expected."""
    table = figures_table(_HEADINGS)
    if any(token_count.estimated_tokens for token_count in counts):
        table.caption = f"{_ESTIMATED} estimated from firing rates, not counted from spikes"
    for token_count in with_total(counts):
        if token_count.source == TOTAL:
            table.add_section()
        is_estimated = token_count.estimated_tokens and token_count.source != TOTAL
        table.add_row(
            f"{token_count.source} {_ESTIMATED}" if is_estimated else token_count.source, *_cells(token_count)
        )
    return table


def _cells(token_count: TokenCount) -> tuple[str, ...]:
    return (
        _beside(token_count.sessions, token_count.expected_sessions),
        _beside(token_count.subjects, token_count.expected_subjects),
        f"{token_count.rows:,}",
        f"{token_count.tokens:,}",
        "" if token_count.expected_tokens is None else f"{token_count.expected_tokens:,}",
        size(token_count.bytes),
    )


def _beside(found: int, expected: int | None) -> str:
    return f"{found:,}" if expected is None else f"{found:,}/{expected:,}"


def as_markdown(counts: Sequence[TokenCount]) -> str:
    """Return a table in Markdown."""
    rows = [[_cell(value) for value in astuple(count)] for count in with_total(counts)]
    return markdown_table([name.replace("_", " ") for name in COLUMNS], rows)


def as_csv(counts: Sequence[TokenCount]) -> str:
    """Return comma-separated values with a line of headings."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(astuple(count) for count in with_total(counts))
    return text.getvalue().rstrip("\n")


def as_json(counts: Sequence[TokenCount]) -> str:
    """Return a list of objects; figures that were not published are null."""
    return json.dumps([asdict(count) for count in with_total(counts)], indent=2)


FORMATS: Mapping[str, Callable[[Sequence[TokenCount]], str]] = {
    "markdown": as_markdown,
    "csv": as_csv,
    "json": as_json,
}


def _cell(value: str | int | None) -> str:
    return f"{value:,}" if isinstance(value, int) else value or ""


def with_total(counts: Sequence[TokenCount]) -> list[TokenCount]:
    """Return the counts and their sum; of expected figures there is one where all sources have them."""
    counted = {name: sum(getattr(count, name) for count in counts) for name in _COUNTED}
    total = TokenCount(
        source=TOTAL,
        **counted,
        expected_sessions=_sum_if_all(count.expected_sessions for count in counts),
        expected_subjects=_sum_if_all(count.expected_subjects for count in counts),
        expected_tokens=_sum_if_all(count.expected_tokens for count in counts),
    )
    return [*counts, total]


def _sum_if_all(values: Iterable[int | None]) -> int | None:
    known = list(values)
    return None if not known or None in known else sum(value for value in known if value is not None)
