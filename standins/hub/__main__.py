"""`python -m standins.hub`: serve a made-up hub until it is told to stop.

It is no Hugging Face: it speaks as much of the hub's API as publishing and reading a dataset needs, and keeps
what it is given in a folder of this machine.
"""

from pathlib import Path
from typing import Annotated

import typer

from spikemill.services.common.errors import CallError, SpikemillError
from standins.hub.access import Role
from standins.hub.server import serve_hub
from standins.wire.server import LOOPBACK, stop_event


def main(
    folder: Annotated[Path, typer.Option(help="Where the repositories are kept.")],
    host: Annotated[str, typer.Option(help="The address to listen on.")] = LOOPBACK,
    port: Annotated[int, typer.Option(help="The port; 0 is any free one.")] = 0,
    token_file: Annotated[
        Path | None,
        typer.Option(help="Tokens, one per line, with `read` behind those that may not write."),
    ] = None,
) -> None:
    """Serve a made-up hub; everybody may write unless it has tokens. The first line says at which address."""
    stop = stop_event()
    try:
        with serve_hub(folder, host=host, port=port, token=_tokens(token_file)) as server:
            typer.echo(server.url)
            stop.wait()
    except SpikemillError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def _tokens(path: Path | None) -> dict[str, Role]:
    """Read the tokens; a file without any would let everybody in, and is refused."""
    if path is None:
        return {}
    try:
        lines = [line.split() for line in path.read_text().splitlines() if line.strip()]
        tokens = {token: Role(role[0] if role else Role.WRITE) for token, *role in lines}
    except (OSError, ValueError) as error:
        raise CallError(f"{path} cannot be read as tokens, one per line: {error}.") from error
    if not tokens:
        raise CallError(f"{path} holds no token; write one per line.")
    return tokens


if __name__ == "__main__":
    typer.run(main)
