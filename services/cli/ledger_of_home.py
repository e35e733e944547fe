"""The ledger of a command that only asks, or changes a few rows."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session as Transaction

from services.cli.building import use_ledger
from services.cli.environment import decided_for_now
from services.cli.local.address import running_address
from services.cli.local.engine import ledger_address
from services.cli.local.home import Home
from services.common.errors import CallError
from services.common.ledger import build_status
from services.common.migrate import migrate
from services.common.settings import settings


@contextmanager
def ledger_of(home: Home) -> Iterator[bool]:
    """Let this process use the home's ledger; yields whether workers listen to it.

    Where nothing runs, Postgres is started for as long as the block lasts. Raises `CallError` where there is
    no ledger.
    """
    has_workers = settings().database_url is not None or running_address(home) is not None
    with decided_for_now(), ledger_address(home) as address:
        use_ledger(address)
        if not has_workers:
            migrate()
        yield has_workers


def current_build(transaction: Transaction) -> int:
    """Return the build that people mean when they name none; raises `CallError` where there is none."""
    build = build_status.newest_build(transaction)
    if build is None:
        raise CallError("Nothing was built with this ledger yet; begin with spikemill build.")
    return build


def how_it_goes_on(home: Home, *, has_workers: bool) -> str:
    """Say what a person does next after a change of the ledger."""
    if has_workers:
        return "The running build takes it up."
    return f"The same `spikemill build` as before, with --home {home.path}, goes on with it."
