"""`spikemill prune`: drop chunks that no release needs any more."""

import typer

from services.cli import arguments
from services.cli.ledger_of_home import ledger_of
from services.cli.local.home import Home
from services.cli.store_of_home import store_of
from services.cli.wording import count, size
from services.common.database import transaction
from services.common.errors import CallError
from services.common.housekeeping import sweep_chunks
from services.common.ledger import files, operations
from services.common.storage import Store


def prune(home: arguments.HomeFolder = arguments.DEFAULT_HOME) -> None:
    """Drop the chunks that no open build needs.

    The piles stay; a later build that needs the chunks makes them again.
    """
    folder = Home(home)
    store = store_of(folder)
    if store is None:
        raise CallError("Set SPIKEMILL_STORE to the store of the ledger in SPIKEMILL_DATABASE_URL.")
    with ledger_of(folder):
        chunks, freed = _drop_chunks(store)
    typer.echo(f"{count(chunks, 'chunk')} dropped, {size(freed)} freed.")


def _drop_chunks(store: Store) -> tuple[int, int]:
    """Have the ledger forget spare chunks, then remove them; return how many, and their bytes."""
    with transaction() as ledger:
        store.claim_for(files.ledger_id(ledger))
        names = operations.prune_chunks(ledger)
        standing = store.files("chunks")
        freed = sum(standing.get(name, 0) for name in names)
    sweep_chunks(store)
    return len(names), freed
