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
from services.common.ledger.figures import LeftOut, TokenCount


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a build; `worked` tells whether there was anything to do."""

    ending: Ending
    last: Snapshot
    counts: Sequence[TokenCount]
    left_out: Sequence[LeftOut]
    sessions_binned: int
    seconds: float
    worked: bool


def tell(outcome: Outcome, home: Home, console: Console) -> bool:
    """Say how the build ended; return whether a pile stands that is what was asked for."""
    if outcome.ending is Ending.RELEASED:
        _tell_release(outcome, home.pile, console)
        return True
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
    done = outcome.last.sessions_done
    console.print(
        f"No new pile was made. {count(done, 'session')} {'is' if done == 1 else 'are'} done and stay so. "
        "`spikemill retry` sends what failed back to the queue, `spikemill waive` passes one session by, "
        "`--allow-missing` all that failed; then build again."
    )
