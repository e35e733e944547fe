"""`spikemill show`: rasters of random rows as one picture."""

from pathlib import Path
from typing import Annotated

import typer

from services.cli import arguments


def show(
    pile: arguments.Pile,
    out: Annotated[Path, typer.Option(metavar="FILE.png", help="Where the picture goes.")],
    rows: Annotated[int, typer.Option(min=1, metavar="N", help="Rows of each source.")] = 2,
    seed: Annotated[int, typer.Option(metavar="N", help="Chooses the rows.")] = 0,
) -> None:
    """Draw random rows of each source as one picture.

    Time in bins goes across, units go up.
    """
    from services.cli.pile_here import pile_here
    from services.merger.show import show_pile

    with pile_here(pile) as folder:
        show_pile(folder, out, rows_per_source=rows, seed=seed)
    typer.echo(f"Drawn: {out}")
