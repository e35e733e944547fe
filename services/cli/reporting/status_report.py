"""How a build stands, for people."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from services.cli.reporting.failure_lines import dead_lines, left_out_line
from services.cli.watching.pace import Pace
from services.cli.watching.progress_table import progress_table
from services.cli.watching.sentences import sentences
from services.cli.watching.snapshot import Snapshot
from services.cli.wording import count
from services.common.ledger.build_status import BuildStatus
from services.common.ledger.figures import LeftOut
from services.common.models.builds import BuildState, ReleaseState

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
        return "it can go no further before what failed is retried or waived"
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
