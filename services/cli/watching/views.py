"""Two ways to show a build: a table that stays in its place, or lines that follow one another."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live

from services.cli.watching.pace import Pace
from services.cli.watching.progress_table import progress_table
from services.cli.watching.sentences import merge_state, sentences, source_line, speed, waits
from services.cli.watching.snapshot import Snapshot
from services.common.models.builds import BuildState

_PAUSE = 3.0
_SILENCE = 30.0


class View(Protocol):
    """Shows how a build stands, each time it was looked at."""

    def show(self, snapshot: Snapshot) -> None:
        """Show what is new."""


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
        """Show on a live display."""
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
        """Write to a console."""
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
        self._next_change = now + _PAUSE
        self._next_sign = now + _SILENCE


def _changes(snapshot: Snapshot) -> list[str]:
    """Return the lines that are worth writing when they are not what they were."""
    lines = [source_line(source, snapshot.tokens.get(source.source, 0)) for source in snapshot.progress]
    lines += [f"{failure.source}: {failure.error}" for failure in snapshot.waiting]
    merging = merge_state(snapshot)
    return [*lines, merging] if merging else lines
