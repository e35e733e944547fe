"""The spikemill command: its commands, and how it fails in one readable line."""

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Annotated

import typer

from spikemill.services.cli import commands
from spikemill.services.cli.format import print_error
from spikemill.services.common.errors import CallError, SpikemillError, readable

_DEBUG = "--debug"
app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Build large spike-count datasets from public neural recordings.",
)
FAILED, WRONG_CALL, INTERRUPTED = 1, 2, 130


for command in (
    *(commands.build, commands.demo, commands.plan, commands.queue, commands.status, commands.tokens),
    *(commands.retry, commands.skip, commands.cancel, commands.prune, commands.verify, commands.plot),
    commands.push,
):
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
    with exit_on_error(debug=_DEBUG in sys.argv):
        app(args=arguments, prog_name="spikemill")


@contextmanager
def exit_on_error(*, debug: bool) -> Iterator[None]:
    """Turn what the block raises into a line and an exit; the traceback is shown only for `debug`."""
    try:
        yield
    except KeyboardInterrupt:
        print_error("Interrupted.")
        sys.exit(INTERRUPTED)
    except Exception as error:
        if debug:
            traceback.print_exc()
        print_error(_text(error, debug=debug))
        sys.exit(WRONG_CALL if isinstance(error, CallError) else FAILED)


def _text(error: Exception, *, debug: bool) -> str:
    text = readable(error)
    if isinstance(error, SpikemillError):
        return text
    # Loaded by whatever can lose a connection; a wrong call should not have to wait for it.
    from spikemill.services.common.database import is_connection_lost  # noqa: PLC0415

    first_line = next(iter(text.splitlines()), "")
    if is_connection_lost(error):
        return f"The ledger cannot be reached: {first_line}"
    return first_line if debug else f"{first_line} (run it again with --debug to see where)"
