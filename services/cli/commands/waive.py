"""`spikemill waive`: builds go on without one session."""

from typing import Annotated

import typer

from services.cli import arguments
from services.cli.local.home import Home


def waive(
    session: Annotated[
        str, typer.Argument(metavar="SESSION", help="As status prints it: source/subject/session.")
    ],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; the dataset card says it.")],
    home: arguments.HomeFolder = arguments.DEFAULT_HOME,
) -> None:
    """Let builds go on without one session.

    The dataset card names it, with the reason.
    """
    from services.cli.ledger_of_home import how_it_goes_on, ledger_of
    from services.common.database import transaction
    from services.common.ledger import waiving

    folder = Home(home)
    with ledger_of(folder) as has_workers, transaction() as ledger:
        waiving.waive(ledger, session, reason)
    typer.echo(f"{session} is waived. {how_it_goes_on(folder, has_workers=has_workers)}")
