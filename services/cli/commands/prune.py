"""`spikemill prune`: drop chunks that no release needs any more."""

import typer

from services.cli import arguments
from services.cli.local.home import Home
from services.common.errors import CallError


def prune(home: arguments.HomeFolder = arguments.DEFAULT_HOME) -> None:
    """Drop the chunks that no open build needs.

    The piles stay; a later build that needs the chunks makes them again.
    """
    from services.cli.ledger_of_home import ledger_of
    from services.cli.store_of_home import store_of
    from services.cli.wording import count, size
    from services.common.housekeeping import drop_spare_chunks

    folder = Home(home)
    store = store_of(folder)
    if store is None:
        raise CallError("Set SPIKEMILL_STORE to the store of the ledger in SPIKEMILL_DATABASE_URL.")
    with ledger_of(folder):
        chunks, freed = drop_spare_chunks(store)
    typer.echo(f"{count(chunks, 'chunk')} dropped, {size(freed)} freed.")
