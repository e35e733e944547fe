"""The spikemill command."""

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from services.cli.commands.build import build
from services.cli.commands.cancel import cancel
from services.cli.commands.demo import demo
from services.cli.commands.ledger import ledger
from services.cli.commands.plan import plan
from services.cli.commands.prune import prune
from services.cli.commands.push import push
from services.cli.commands.queue import queue
from services.cli.commands.retry import retry
from services.cli.commands.show import show
from services.cli.commands.status import status
from services.cli.commands.verify import verify
from services.cli.commands.waive import waive
from services.cli.failing import failures_told

_DEBUG = "--debug"

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Build large spike-count datasets from public neural recordings.",
)
for command in (build, demo, plan, queue, status, ledger, retry, waive, cancel, prune, verify, show, push):
    app.command()(command)


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - the signature that Typer calls
    if wanted:
        typer.echo(f"spikemill {version('spikemill')}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
    _debug: Annotated[
        bool, typer.Option(_DEBUG, help="Show where a failure came from; may stand anywhere.")
    ] = False,
) -> None:
    """Build large spike-count datasets from public neural recordings."""


def main() -> None:
    """Run the command that was typed, and exit with its status."""
    arguments = [argument for argument in sys.argv[1:] if argument != _DEBUG]
    with failures_told(debug=_DEBUG in sys.argv):
        app(args=arguments, prog_name="spikemill")
