"""`spikemill retry`: what failed for good goes back to the queue."""

import typer

from services.cli import arguments
from services.cli.local.home import Home
from services.common.errors import CallError


def retry(sources: arguments.Sources = None, home: arguments.HomeFolder = arguments.DEFAULT_HOME) -> None:
    """Send what failed for good back to the queue.

    Without names, what failed in every source.
    """
    from services.cli.ledger_of_home import current_build, how_it_goes_on, ledger_of
    from services.cli.wording import count
    from services.common.database import transaction
    from services.common.ledger import contents, operations

    folder, names = Home(home), sources or []
    with ledger_of(folder) as has_workers, transaction() as ledger:
        known = {source.name for source in contents.sources_of(ledger, current_build(ledger))}
        if unknown := sorted(set(names) - known):
            raise CallError(
                f"No source of the build is called {unknown[0]}; it has {', '.join(sorted(known))}."
            )
        sent = operations.retry_dead(ledger, names)
    if not sent:
        typer.echo("Nothing had failed for good.")
        return
    typer.echo(f"{count(sent, 'failure')} sent back. {how_it_goes_on(folder, has_workers=has_workers)}")
