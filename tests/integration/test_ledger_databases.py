"""The ledgers that tests are given are empty, and nobody is still there, whatever the test before left."""

from collections.abc import Callable, Iterator

import psycopg
import pytest
from sqlalchemy import Engine, create_engine, text

from tests.harness.ledger_databases import LedgerDatabases

_BUILD = "INSERT INTO builds (digest, pile, state) VALUES ('d', 'pile', 'open')"
_COUNTS = "SELECT (SELECT count(*) FROM builds), (SELECT count(*) FROM ledger_mark)"


@pytest.fixture
def databases(migrated: str) -> Iterator[LedgerDatabases]:
    """Give ledgers beside the one of the test itself."""
    databases = LedgerDatabases(migrated)
    yield databases
    databases.drop()


@pytest.fixture
def engine(databases: LedgerDatabases) -> Iterator[Engine]:
    """Give an engine that has left a build, and keeps its connection."""
    engine = create_engine(databases.give().replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.execute(text(_BUILD))
    yield engine
    engine.dispose()


def counts(address: str) -> tuple[int, int]:
    with psycopg.connect(address) as connection:
        [row] = connection.execute(_COUNTS).fetchall()
    return row


def test_rows_are_gone_and_the_database_stays(databases: LedgerDatabases, engine: Engine) -> None:
    used = databases.give()
    databases.take_back(engine)
    assert databases.give() == used
    assert counts(used) == (0, 1)
    with engine.begin() as connection:
        connection.execute(text(_BUILD))
        assert connection.scalar(text("SELECT id FROM builds")) == 1


def by_a_table(address: str) -> psycopg.Connection | None:
    with psycopg.connect(address) as connection:
        connection.execute("ALTER TABLE jobs ADD COLUMN mine int")
    return None


def by_a_view_less(address: str) -> psycopg.Connection | None:
    with psycopg.connect(address) as connection:
        connection.execute("DROP VIEW progress")
    return None


def by_somebody_who_stays(address: str) -> psycopg.Connection | None:
    return psycopg.connect(address)


def by_somebody_in_a_transaction(address: str) -> psycopg.Connection | None:
    connection = psycopg.connect(address)
    connection.execute("SELECT * FROM builds")
    return connection


@pytest.mark.parametrize(
    "change", [by_a_table, by_a_view_less, by_somebody_who_stays, by_somebody_in_a_transaction]
)
def test_whatever_else_was_left_gives_another_database(
    databases: LedgerDatabases, engine: Engine, change: Callable[[str], psycopg.Connection | None]
) -> None:
    used = databases.give()
    left = change(used)
    databases.take_back(engine)
    assert databases.give() != used
    assert counts(databases.give()) == (0, 1)
    if left is not None:
        left.close()


def test_a_lock_of_an_idle_connection_gives_another_database(
    databases: LedgerDatabases, engine: Engine
) -> None:
    used = databases.give()
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_lock(1)"))
    databases.take_back(engine)
    assert databases.give() != used


def test_a_connection_that_a_thread_still_uses_gives_another_database(
    databases: LedgerDatabases, engine: Engine
) -> None:
    used = databases.give()
    with engine.connect() as connection:
        databases.take_back(engine)
        connection.invalidate()
    assert databases.give() != used
