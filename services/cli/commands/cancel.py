"""`spikemill cancel`: stop builds; what is done stays done."""

import typer

from services.cli import arguments
from services.cli.local.home import Home


def cancel(home: arguments.HomeFolder = arguments.DEFAULT_HOME) -> None:
    """Stop the open builds of a ledger.

    What is done stays done: building again goes on where they stopped.
    """
    from services.cli.ledger_of_home import ledger_of
    from services.cli.wording import count
    from services.common.database import transaction
    from services.common.ledger import operations

    with ledger_of(Home(home)), transaction() as ledger:
        cancelled = operations.cancel_builds(ledger)
    typer.echo(f"{count(cancelled, 'build')} cancelled." if cancelled else "No build was open.")
