"""One build on this machine from its request to its report."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from services.cli.building import running_build
from services.cli.failing import FAILED, INTERRUPTED
from services.cli.local.home import Home
from services.cli.printing import complain, output
from services.cli.reporting.outcome import Outcome, tell
from services.cli.watching.snapshot import read_snapshot
from services.cli.watching.views import view_on
from services.cli.watching.watch import watch
from services.common.database import transaction
from services.common.ledger import figures, pushes
from services.common.ledger.planning import BuildRequest
from services.common.models.builds import BuildState


def carry_out(home: Home, request: BuildRequest, *, workers: int) -> None:
    """Build until the pile stands, and say what was done.

    Raises `typer.Exit` where no pile could be made, or the build was interrupted.
    """
    with interruption_told():
        outcome = _build(home, request, workers)
    if not tell(outcome, home, output()):
        raise typer.Exit(FAILED)


@contextmanager
def interruption_told() -> Iterator[None]:
    """Say after Ctrl-C that nothing is lost; raises `typer.Exit`."""
    try:
        yield
    except KeyboardInterrupt:
        complain("Stopped. Run the same command again: it goes on where this one ended.")
        raise typer.Exit(INTERRUPTED) from None


def _build(home: Home, request: BuildRequest, workers: int) -> Outcome:
    began = time.monotonic()
    with running_build(home, request, binners=workers) as running:
        first = read_snapshot(running.build)
        with view_on(output()) as view:
            ending, last = watch(running.build, view, check=running.check)
        build = last.status.build
        with transaction() as ledger:
            return Outcome(
                ending=ending,
                last=last,
                counts=figures.tokens_of(ledger, build),
                left_out=figures.left_out_of(ledger, build),
                sessions_binned=last.sessions_done - first.sessions_done,
                seconds=time.monotonic() - began,
                worked=first.status.state == BuildState.OPEN,
                push=request.push,
                commit=pushes.commit_of(ledger, build, request.push) if request.push else None,
            )
