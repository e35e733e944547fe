"""Watches a build until it ends: released, stuck, or cancelled."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from spikemill.services.cli.format import count, duration, figures_table, output, rate
from spikemill.services.cli.home import current_build, ledger_of
from spikemill.services.cli.local.engine import running_address
from spikemill.services.cli.local.home import Home
from spikemill.services.common.database import patiently, transaction
from spikemill.services.common.ledger import build_queries
from spikemill.services.common.ledger.build_queries import (
    AssetBytes,
    BuildStatus,
    Failure,
    LeftOut,
    SourceProgress,
)
from spikemill.services.common.models import BuildState, JobState, ReleaseState
from spikemill.services.common.settings import settings

_PAUSE = 0.5
_PATIENCE = 300.0
# A round takes less than a second; Postgres or the broker may have to start again in between.
_LONGEST_SILENCE = 30.0
_LISTING = {"ready": "waits to be listed", "running": "is being listed", "dead": "could not be listed"}
_WINDOW = 30.0
_SHORTEST = 1.0
_PAUSE_OF_VIEW = 3.0
_SILENCE = 30.0
_STATES = ("queued", "fetching", "binning", "done", "failed", "skipped")
_ALWAYS = 5


class Ending(Enum):
    """How a build ended."""

    RELEASED = auto()
    STUCK = auto()
    CANCELLED = auto()
    SUPERSEDED = auto()
    ENOUGH = auto()


_ENDINGS = {
    BuildState.RELEASED: Ending.RELEASED,
    BuildState.CANCELLED: Ending.CANCELLED,
    BuildState.SUPERSEDED: Ending.SUPERSEDED,
}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that is shown of a build; `taken_at` is a monotonic clock's seconds."""

    taken_at: float
    status: BuildStatus
    progress: Sequence[SourceProgress]
    tokens: Mapping[str, int]
    bytes: AssetBytes
    failures: Sequence[Failure]

    @property
    def sessions_done(self) -> int:
        """How many sessions are binned."""
        return sum(source.done for source in self.progress)

    @property
    def is_listed(self) -> bool:
        """Tell whether every source is sealed, so that the total is known."""
        return all(source.sealed for source in self.progress)

    @property
    def dead(self) -> Sequence[Failure]:
        """What failed for good."""
        return [failure for failure in self.failures if failure.state == JobState.DEAD]

    @property
    def waiting(self) -> Sequence[Failure]:
        """What failed and will be tried again, the next try first."""
        given_up = {JobState.DEAD, JobState.SKIPPED}
        retried = [failure for failure in self.failures if failure.state not in given_up]
        return sorted(retried, key=lambda failure: failure.not_before)


def _never(_snapshot: Snapshot) -> bool:
    return False


class View(Protocol):
    """Shows how a build stands, each time it was looked at."""

    def show(self, snapshot: Snapshot) -> None:
        """Show what is new."""


def watch(
    build: int, view: View, *, check: Callable[[], None], enough: Callable[[Snapshot], bool] = _never
) -> tuple[Ending, Snapshot]:
    """Show a build until it ends, or until there is enough of it.

    A build that sources were added to goes on as another one, which is then shown. `check` raises where the
    engine cannot go on. A Postgres that comes back in time is waited for.
    """

    def look() -> Snapshot:
        check()
        return _read_present(build)

    idle_since: float | None = None
    while True:
        snapshot = patiently(look, seconds=_PATIENCE)
        build = snapshot.status.build
        view.show(snapshot)
        if enough(snapshot):
            return Ending.ENOUGH, snapshot
        if ending := _ENDINGS.get(BuildState(snapshot.status.state)):
            return ending, snapshot
        idle_since = None if snapshot.status.runnable else idle_since or snapshot.taken_at
        if idle_since is not None and snapshot.taken_at - idle_since > _round():
            return Ending.STUCK, snapshot
        time.sleep(_PAUSE)


class _EngineEndedError(Exception):
    """The engine that was watched has stopped."""


def watch_home(home: Home) -> None:
    """Show the build of a home until it ends; where nothing works there is nothing to watch."""
    is_deployment = settings().database_url is not None

    def check() -> None:
        if not is_deployment and running_address(home) is None:
            raise _EngineEndedError

    with ledger_of(home) as has_workers, suppress(_EngineEndedError):
        with transaction() as ledger:
            build = current_build(ledger)
        if has_workers:
            with view_on(output()) as view:
                watch(build, view, check=check)


def _read_present(build: int) -> Snapshot:
    """Read how the build stands, or the one that it has become."""
    snapshot = read_snapshot(build)
    while snapshot.status.state == BuildState.SUPERSEDED:
        with transaction() as ledger:
            successor = build_queries.successor_of(ledger, snapshot.status.build)
        if successor is None:
            return snapshot
        snapshot = read_snapshot(successor)
    return snapshot


def _round() -> float:
    """Return how long the sweeper may take to notice what became possible."""
    return 1.0 + settings().sweep.total_seconds()


def read_snapshot(build: int) -> Snapshot:
    """Ask the ledger how a build stands."""
    with transaction() as ledger:
        return Snapshot(
            taken_at=time.monotonic(),
            status=build_queries.status_of(ledger, build),
            progress=build_queries.progress_of(ledger, build),
            tokens={count.source: count.tokens for count in build_queries.tokens_of(ledger, build)},
            bytes=build_queries.asset_bytes_of(ledger, build),
            failures=build_queries.failures_of(ledger, build),
        )


def read_current() -> tuple[Snapshot, Sequence[LeftOut]]:
    """Ask the ledger how the build stands that people mean when they name none, and what it leaves out."""
    with transaction() as ledger:
        build = current_build(ledger)
        left_out = list(build_queries.left_out_of(ledger, build))
    return read_snapshot(build), left_out


def seconds_until(failure: Failure) -> float:
    """Return in how many seconds a job is tried again."""
    return max(0.0, (failure.not_before - datetime.now(UTC)).total_seconds())


class Pace:
    """Remembers what was seen: all of the recent past, and the beginning."""

    def __init__(self) -> None:
        self._recent: deque[tuple[float, int]] = deque()
        self._first: Snapshot | None = None
        self._last: Snapshot | None = None

    def note(self, snapshot: Snapshot) -> None:
        """See how the build stands now."""
        if self._first is None or (not self._first.is_listed and snapshot.is_listed):
            self._first = snapshot
        self._last = snapshot
        self._recent.append((snapshot.taken_at, snapshot.status.tokens_done))
        while len(self._recent) > 1 and self._recent[1][0] <= snapshot.taken_at - _WINDOW:
            self._recent.popleft()

    def tokens_per_second(self) -> float:
        """Return the rate over the recent past."""
        if not self._recent:
            return 0.0
        (began, before), (now, after) = self._recent[0], self._recent[-1]
        return max(0, after - before) / (now - began) if now - began >= _SHORTEST else 0.0

    def seconds_left(self) -> float | None:
        """Return how long the remaining bytes will take at the pace so far; None while it is unknown."""
        first, last = self._first, self._last
        if first is None or last is None or not last.is_listed:
            return None
        settled, elapsed = last.bytes.settled - first.bytes.settled, last.taken_at - first.taken_at
        if settled <= 0 or elapsed < _SHORTEST:
            return None
        return (last.bytes.total - last.bytes.settled) * elapsed / settled


def sentences(snapshot: Snapshot, pace: Pace, *, has_workers: bool = True) -> Iterator[str]:
    """Yield what is true of the whole build: how far, how fast, and what is waited for."""
    yield speed(snapshot, pace)
    if merging := merge_state(snapshot):
        yield merging
    yield from waits(snapshot, has_workers=has_workers)


def speed(snapshot: Snapshot, pace: Pace) -> str:
    """Say how much there is, how fast it grows, and how long the rest may take."""
    parts = [count(snapshot.status.tokens_done, "token")]
    if (per_second := pace.tokens_per_second()) > 0:
        parts.append(rate(per_second))
    if snapshot.status.release_state == ReleaseState.WAITING and (left := pace.seconds_left()):
        parts.append(f"about {duration(left)} left")
    return ", ".join(parts)


def merge_state(snapshot: Snapshot) -> str | None:
    """Say how far the merge is, once it has begun, and then how far the push to the hub."""
    status = snapshot.status
    if status.release_state == ReleaseState.PUBLISHED and status.state == BuildState.OPEN:
        return _push_state(status)
    if status.release_state != ReleaseState.FROZEN:
        return None
    if status.shards_done < status.shards:
        return f"merging: {status.shards_done} of {count(status.shards, 'shard')} written"
    return f"merging: {count(status.shards, 'shard')} written, the pile is read once more"


def _push_state(status: BuildStatus) -> str:
    done = f": {status.hub_shards} of {count(status.shards, 'shard')} are there" if status.hub_shards else ""
    return f"pushing to {status.hub}{done}"


def waits(snapshot: Snapshot, *, has_workers: bool = True) -> Iterator[str]:
    """Say per source what failed and is tried again, and when; and whether dispatch has stopped."""
    has_sweeper = has_workers and snapshot.status.state == BuildState.OPEN
    if has_sweeper and snapshot.status.silent_for > _LONGEST_SILENCE:
        yield "The sweeper ends no round any more, so nothing new starts: logs/sweeper.log says why."
    told: set[str] = set()
    for failure in snapshot.waiting:
        if failure.source not in told:
            told.add(failure.source)
            yield f"{failure.source}: {first_line(failure)} Next try {_moment(failure)}."


def source_line(source: SourceProgress, tokens: int) -> str:
    """Say how one source stands, in one line."""
    if not source.sealed:
        return f"{source.source}: {_LISTING.get(source.plan_state, source.plan_state)}"
    under_way = [
        f"{number} {word}"
        for number, word in (
            (source.queued, "queued"),
            (source.fetching, "fetching"),
            (source.binning, "binning"),
            (source.failed, "failed"),
            (source.skipped, "skipped"),
        )
        if number
    ]
    done = f"{source.done} of {count(source.sessions, 'session')} done"
    return f"{source.source}: {', '.join([done, *under_way])}; {count(tokens, 'token')}"


def first_line(failure: Failure) -> str:
    """Return the first line of what was said, as a sentence."""
    line = next(iter(failure.error.splitlines()), "")
    return line if line.endswith((".", "!", "?")) else f"{line}."


def _moment(failure: Failure) -> str:
    seconds = seconds_until(failure)
    return f"in {duration(seconds)}" if seconds >= 1 else "now"


@contextmanager
def view_on(console: Console) -> Iterator[View]:
    """Give the view that suits the console, and clear it away at the end."""
    if not console.is_terminal:
        yield LineView(console)
        return
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield LiveView(live)


class LiveView:
    """A table of the sources, with lines below it, on a terminal."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._pace = Pace()

    def show(self, snapshot: Snapshot) -> None:
        """Put the new table in the place of the old."""
        self._pace.note(snapshot)
        lines = sentences(snapshot, self._pace)
        self._live.update(Group(progress_table(snapshot), *lines), refresh=True)


class LineView:
    """A line for each change, but no flood, and one now and then where nothing changes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._pace = Pace()
        self._told: set[str] = set()
        self._next_change = self._next_sign = time.monotonic()

    def show(self, snapshot: Snapshot) -> None:
        """Write what is new, at most every few seconds, and at the end in any case."""
        self._pace.note(snapshot)
        is_open = snapshot.status.state == BuildState.OPEN
        if is_open and snapshot.taken_at < self._next_change:
            return
        lines = _changes(snapshot)
        new = [line for line in lines if line not in self._told]
        if not new and snapshot.taken_at >= self._next_sign:
            new = [speed(snapshot, self._pace), *waits(snapshot)]
        if new:
            self._told = set(lines)
            self._write(new, snapshot.taken_at)

    def _write(self, lines: list[str], now: float) -> None:
        for line in lines:
            self._console.print(line)
        self._next_change = now + _PAUSE_OF_VIEW
        self._next_sign = now + _SILENCE


def _changes(snapshot: Snapshot) -> list[str]:
    """Return the lines that are worth writing when they are not what they were."""
    lines = [source_line(source, snapshot.tokens.get(source.source, 0)) for source in snapshot.progress]
    lines += [f"{failure.source}: {failure.error}" for failure in snapshot.waiting]
    merging = merge_state(snapshot)
    return [*lines, merging] if merging else lines


def progress_table(snapshot: Snapshot) -> Table:
    """Return the table; skipped sessions have a column only where there are some."""
    states = _STATES if any(source.skipped for source in snapshot.progress) else _STATES[:_ALWAYS]
    table = figures_table((*states, "tokens"))
    for source in snapshot.progress:
        tokens = snapshot.tokens.get(source.source, 0)
        table.add_row(source.source, *_cells(source, states), f"{tokens:,}")
    return table


def _cells(source: SourceProgress, states: tuple[str, ...]) -> list[str]:
    """Return the counts, or what keeps them from being known."""
    if not source.sealed:
        text = "not listed" if source.plan_state == "dead" else "listing"
        return [text, *("" for _ in states[1:])]
    return [f"{getattr(source, state):,}" for state in states]
