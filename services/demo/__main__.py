"""`python -m services.demo`: serve the made-up archive until it is told to stop."""

from pathlib import Path
from typing import Annotated

import typer

from services.common.errors import SpikemillError
from services.demo.holdings import demo_archive
from services.demo.server import serve
from services.demo.wire.scripted_server import LOOPBACK, stop_event


def main(
    folder: Annotated[Path, typer.Option(help="Where the made-up recordings are kept.")],
    host: Annotated[str, typer.Option(help="The address to listen on.")] = LOOPBACK,
    port: Annotated[int, typer.Option(help="The port; 0 is any free one.")] = 0,
) -> None:
    """Serve an archive whose data are made up and mean nothing; the first line says at which address."""
    stop = stop_event()
    try:
        with serve(demo_archive(folder), host, port) as server:
            typer.echo(server.url)
            stop.wait()
    except SpikemillError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    typer.run(main)
