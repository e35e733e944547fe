"""`spikemill status`: where the build stands."""

import json
from contextlib import suppress
from typing import Annotated

import typer

from services.cli import arguments
from services.cli.ledger_of_home import current_build, ledger_of
from services.cli.local.address import running_address
from services.cli.local.home import Home
from services.cli.printing import output
from services.cli.reporting.status_document import status_document
from services.cli.reporting.status_report import print_status
from services.cli.watching.snapshot import Snapshot, read_snapshot
from services.cli.watching.views import view_on
from services.cli.watching.watch import watch
from services.common.database import transaction
from services.common.errors import CallError
from services.common.ledger import figures
from services.common.ledger.figures import LeftOut
from services.common.settings import settings

Watch = Annotated[bool, typer.Option("--watch", help="Go on until the build ends.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


def status(
    *,
    home: arguments.HomeFolder = arguments.DEFAULT_HOME,
    watching: Watch = False,
    as_json: AsJson = False,
) -> None:
    """Show where the build stands, and what failed."""
    if watching and as_json:
        raise CallError("--watch is for people, --json for programs; give one of them.")
    folder = Home(home)
    if watching:
        _watch(folder)
    with ledger_of(folder) as has_workers:
        snapshot, left_out = _look()
    if as_json:
        typer.echo(json.dumps(status_document(snapshot, left_out), indent=2))
        return
    print_status(snapshot, left_out, folder.path, output(), has_workers=has_workers)
    if folder.pile.exists():
        output().print(f"Pile: {folder.pile}")


def _look() -> tuple[Snapshot, list[LeftOut]]:
    with transaction() as ledger:
        build = current_build(ledger)
        left_out = list(figures.left_out_of(ledger, build))
    return read_snapshot(build), left_out


class _EngineEndedError(Exception):
    """The engine that was watched has stopped."""


def _watch(home: Home) -> None:
    """Show the build until it ends; where nothing works there is nothing to watch."""
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
