"""`python -m standins.archive`: serve the made-up archive until it is told to stop, or beside a command."""

import fcntl
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from spikemill.services.common.errors import CallError, SpikemillError
from standins.archive.content import MadeUpArchive
from standins.archive.holdings import demo_archive
from standins.archive.server import ArchiveServer
from standins.wire.server import LOOPBACK, stop_event

_ADDRESS = "{url}"


def main(
    folder: Annotated[Path, typer.Option(help="Where the made-up recordings are kept.")],
    host: Annotated[str, typer.Option(help="The address to listen on.")] = LOOPBACK,
    port: Annotated[int | None, typer.Option(help="The port; without it the one of the last time.")] = None,
    command: Annotated[
        list[str] | None,
        typer.Argument(help=f"What to run beside the archive, until it ends; {_ADDRESS} is the address."),
    ] = None,
) -> None:
    """Serve an archive whose data are made up and mean nothing; the first line says at which address."""
    try:
        with served(folder, demo_archive(folder), host, port) as server:
            if command:
                raise typer.Exit(run_beside(server.url, command))
            stop = stop_event()
            typer.echo(server.url)
            stop.wait()
    except SpikemillError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


@contextmanager
def served(folder: Path, archive: MadeUpArchive, host: str, port: int | None) -> Iterator[ArchiveServer]:
    """Serve an archive at the port that is named, else at the one that this folder had before.

    The address of an archive is part of what is built from it: where it moves, everything is fetched again.
    Raises `CallError` where another archive serves this folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "port").open("a+") as remembered:
        try:
            fcntl.flock(remembered, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CallError(f"Another archive serves {folder}; stop it, or name another --folder.") from error
        with _served(archive, host, port, remembered_port(folder)) as server:
            (folder / "port").write_text(f"{urlsplit(server.url).port}\n")
            yield server


def remembered_port(folder: Path) -> int:
    """Return the port that the archive of a folder had the last time, 0 where it had none."""
    text = (folder / "port").read_text().strip()
    return int(text) if text.isdecimal() else 0


@contextmanager
def _served(archive: MadeUpArchive, host: str, port: int | None, before: int) -> Iterator[ArchiveServer]:
    try:
        server = ArchiveServer(archive, host, before if port is None else port)
    except CallError:
        if port is not None or before == 0:
            raise
        typer.echo(
            f"Port {before} is taken by another program: the archive moves, so everything is fetched again.",
            err=True,
        )
        server = ArchiveServer(archive, host)
    with server.running():
        yield server


def run_beside(url: str, command: list[str]) -> int:
    """Run a command to its end, and return its exit status; it answers to Ctrl-C itself."""
    try:
        process = subprocess.Popen([argument.replace(_ADDRESS, url) for argument in command])  # noqa: S603
    except OSError as error:
        raise CallError(f"{command[0]} cannot be run: {error.strerror}.") from error
    with process:
        signal.signal(signal.SIGINT, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        status = process.wait()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    typer.run(main)
