"""The commands that change a ledger: `retry`, `skip`, `cancel` and `prune`."""

from typing import Annotated

import typer

from spikemill.services.cli import arguments
from spikemill.services.cli.local.home import Home
from spikemill.services.common.errors import CallError


def retry(sources: arguments.Sources = None, home: arguments.HomeFolder = arguments.DEFAULT_HOME) -> None:
    """Send what failed for good back to the queue.

    Without names, what failed in every source.
    """
    from spikemill.services.cli.format import count
    from spikemill.services.cli.home import current_build, how_it_goes_on, ledger_of
    from spikemill.services.common.database import transaction
    from spikemill.services.common.ledger import admin, release_queries

    folder, names = Home(home), sources or []
    with ledger_of(folder) as has_workers, transaction() as ledger:
        known = {source.name for source in release_queries.sources_of(ledger, current_build(ledger))}
        if unknown := sorted(set(names) - known):
            raise CallError(
                f"No source of the build is called {unknown[0]}; it has {', '.join(sorted(known))}."
            )
        sent = admin.retry_dead(ledger, names)
    if not sent:
        typer.echo("Nothing had failed for good.")
        return
    typer.echo(f"{count(sent, 'failure')} sent back. {how_it_goes_on(folder, has_workers=has_workers)}")


def skip(
    session: Annotated[
        str, typer.Argument(metavar="SESSION", help="As status prints it: source/subject/session.")
    ],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; the dataset card says it.")],
    home: arguments.HomeFolder = arguments.DEFAULT_HOME,
) -> None:
    """Let builds go on without one session.

    The dataset card names it, with the reason.
    """
    from spikemill.services.cli.home import how_it_goes_on, ledger_of
    from spikemill.services.common.database import transaction
    from spikemill.services.common.ledger import admin

    folder = Home(home)
    with ledger_of(folder) as has_workers, transaction() as ledger:
        admin.skip(ledger, session, reason)
    typer.echo(f"{session} is skipped. {how_it_goes_on(folder, has_workers=has_workers)}")


def cancel(home: arguments.HomeFolder = arguments.DEFAULT_HOME) -> None:
    """Stop the open builds of a ledger.

    What is done stays done: building again goes on where they stopped.
    """
    from spikemill.services.cli.format import count
    from spikemill.services.cli.home import ledger_of
    from spikemill.services.common.database import transaction
    from spikemill.services.common.ledger import admin

    with ledger_of(Home(home)), transaction() as ledger:
        cancelled = admin.cancel_builds(ledger)
    typer.echo(f"{count(cancelled, 'build')} cancelled." if cancelled else "No build was open.")


def prune(home: arguments.HomeFolder = arguments.DEFAULT_HOME) -> None:
    """Drop the chunks that no open build needs.

    The piles stay; a later build that needs the chunks makes them again.
    """
    from spikemill.services.cli.format import count, size
    from spikemill.services.cli.home import ledger_of, store_of
    from spikemill.services.sweeper.garbage_collection import drop_spare_chunks

    folder = Home(home)
    store = store_of(folder)
    if store is None:
        raise CallError("Set SPIKEMILL_STORE to the store of the ledger in SPIKEMILL_DATABASE_URL.")
    with ledger_of(folder):
        chunks, freed = drop_spare_chunks(store)
    typer.echo(f"{count(chunks, 'chunk')} dropped, {size(freed)} freed.")
