"""`spikemill status`: where the build stands."""

import json
from typing import Annotated

import typer

from services.cli import arguments
from services.cli.local.home import Home
from services.common.errors import CallError

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
    from services.cli.ledger_of_home import ledger_of
    from services.cli.printing import output
    from services.cli.reporting.status_document import status_document
    from services.cli.reporting.status_report import print_status
    from services.cli.watching.snapshot import read_current
    from services.cli.watching.watch import watch_home

    folder = Home(home)
    if watching:
        watch_home(folder)
    with ledger_of(folder) as has_workers:
        snapshot, left_out = read_current()
    if as_json:
        typer.echo(json.dumps(status_document(snapshot, left_out), indent=2))
        return
    print_status(snapshot, left_out, folder.path, output(), has_workers=has_workers)
    if folder.pile.exists():
        output().print(f"Pile: {folder.pile}")
