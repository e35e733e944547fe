"""How a build on this machine ended, and what is said about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from services.cli.local.home import Home
from services.cli.printing import complain
from services.cli.reporting.failure_lines import dead_lines, left_out_line
from services.cli.reporting.token_table import token_table
from services.cli.watching.snapshot import Snapshot
from services.cli.watching.watch import Ending
from services.cli.wording import count, duration
from services.common.hub_target import HubTarget
from services.common.ledger.figures import LeftOut, TokenCount
from services.common.models.builds import ReleaseState


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
        complain("The build was cancelled from elsewhere; the same command takes it up again.")
    else:
        complain(
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
        complain(f"It is not pushed to {outcome.push}: another call took that back. Say --push again.")
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
        complain(line)
    if outcome.last.status.release_state == ReleaseState.PUBLISHED:
        console.print(
            f"The pile stands in {home.pile}, but it is not pushed to {outcome.last.status.hub}. "
            "`spikemill retry` sends the push back to the queue; then say the same build again."
        )
        return
    done = outcome.last.sessions_done
    console.print(
        f"No new pile was made. {count(done, 'session')} {'is' if done == 1 else 'are'} done and stay so. "
        "`spikemill retry` sends what failed back to the queue, `spikemill waive` passes one session by, "
        "`--allow-missing` all that failed; then build again."
    )
