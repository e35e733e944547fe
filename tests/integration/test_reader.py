"""People who look at the ledger see all of it, change nothing, and find no secret."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from alembic import command
from psycopg import sql

from spikemill.services.common.database import engine
from spikemill.services.common.errors import CallError
from spikemill.services.common.migrate import configuration, give_login, migrate
from spikemill.services.common.settings import settings
from tests.integration import ledgers

_WORD = "quite-a-password"
_GROUP = "spikemill_reader"
_DIGEST = "SELECT rolpassword FROM pg_authid WHERE rolname = 'reader'"


@pytest.fixture
def login(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the reader in, and remove it afterwards: roles belong to the whole server."""
    monkeypatch.setenv("SPIKEMILL_READER_PASSWORD", _WORD)
    settings.cache_clear()
    give_login()
    yield
    with engine().begin() as connection:
        connection.exec_driver_sql("DROP ROLE reader")


@contextmanager
def looking(ledger: str, role: str = "reader") -> Iterator[psycopg.Connection]:
    """Connect as a role: the servers of these tests trust whom they let in."""
    with psycopg.connect(ledger, user=role, autocommit=True) as connection:
        yield connection


def names(connection: psycopg.Connection) -> list[str]:
    """Return the tables and views of the ledger."""
    found = connection.execute("""
        SELECT relname FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')
    """)
    return [name for (name,) in found]


@pytest.mark.usefixtures("login")
def test_a_reader_sees_every_table_and_view(ledger: str) -> None:
    ledgers.done_build()
    with looking(ledger) as reader:
        assert {"jobs", "progress", "token_ledger", "failures"} <= set(names(reader))
        for name in names(reader):
            reader.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(name)))
        assert reader.execute("SELECT sum(tokens) FROM token_ledger").fetchone() == (40,)


@pytest.mark.usefixtures("login")
def test_a_reader_sees_what_later_migrations_add(ledger: str) -> None:
    with psycopg.connect(ledger, autocommit=True) as owner:
        owner.execute("CREATE TABLE later AS SELECT 1 AS one")
        owner.execute("CREATE VIEW later_view AS SELECT * FROM later")
    with looking(ledger) as reader:
        assert reader.execute("SELECT * FROM later_view").fetchall() == [(1,)]


@pytest.mark.usefixtures("login")
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE jobs SET state = 'done'",
        "DELETE FROM attempts",
        "INSERT INTO request_slots VALUES ('host', now())",
        "TRUNCATE sessions",
        "CREATE TABLE mine (one int)",
        "DROP VIEW progress",
        "ALTER TABLE jobs ADD COLUMN mine int",
        "CREATE ROLE another",
    ],
)
@pytest.mark.parametrize("habit", ["on", "off"])
def test_a_reader_changes_nothing_even_without_the_habit(statement: str, habit: str, ledger: str) -> None:
    with looking(ledger) as reader:
        assert reader.execute("SHOW default_transaction_read_only").fetchone() == ("on",)
        reader.execute(f"SET default_transaction_read_only = {habit}".encode())
        with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)):
            reader.execute(statement.encode())


@pytest.mark.usefixtures("login")
@pytest.mark.parametrize(
    "question", ["SELECT * FROM pg_authid", "SELECT * FROM pg_shadow", "SELECT pg_read_file('pg_hba.conf')"]
)
def test_a_reader_finds_no_secret(question: str, ledger: str) -> None:
    with looking(ledger) as reader, pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute(question.encode())


@pytest.mark.usefixtures("login")
def test_the_server_is_told_a_digest_and_the_last_password_counts(
    ledger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(ledger, autocommit=True) as owner:
        [first] = owner.execute(_DIGEST).fetchone() or [""]
        monkeypatch.setenv("SPIKEMILL_READER_PASSWORD", "another-password")
        settings.cache_clear()
        give_login()
        [second] = owner.execute(_DIGEST).fetchone() or [""]
    assert first.startswith("SCRAM-SHA-256$")
    assert second.startswith("SCRAM-SHA-256$")
    assert first != second


def test_without_a_password_the_remedy_is_said() -> None:
    with pytest.raises(CallError, match="set SPIKEMILL_READER_PASSWORD, or write it into /run/secrets/"):
        give_login()


def test_migrations_may_run_again_where_the_role_is_there() -> None:
    command.downgrade(configuration(), "5e1b0c8d2f47")
    migrate()


def test_a_user_who_may_not_make_roles_is_told_what_to_do_and_goes_on(
    ledger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The role is renamed meanwhile: it belongs to the whole server, and to the ledgers of other tests."""
    command.downgrade(configuration(), "base")
    database = psycopg.conninfo.conninfo_to_dict(ledger)["dbname"]
    with psycopg.connect(ledger, autocommit=True) as owner:
        owner.execute(f"ALTER ROLE {_GROUP} RENAME TO hidden_reader".encode())
        owner.execute("CREATE ROLE modest LOGIN")
        owner.execute(f'ALTER DATABASE "{database}" OWNER TO modest'.encode())
        owner.execute("DROP TABLE alembic_version")
        try:
            ended = subprocess.run(
                [sys.executable, "-m", "spikemill.services.common.migrate"],
                env={**os.environ, "SPIKEMILL_DATABASE_URL": f"{ledger}&user=modest"},
                capture_output=True,
                text=True,
                check=False,
            )
            assert ended.returncode == 0, ended
            assert "may not make roles" in ended.stderr
            assert "CREATE ROLE spikemill_reader NOLOGIN; GRANT USAGE ON SCHEMA public" in ended.stderr
            assert "jobs" in names(owner)
            monkeypatch.setenv("SPIKEMILL_READER_PASSWORD", _WORD)
            settings.cache_clear()
            with pytest.raises(CallError, match="no role spikemill_reader"):
                give_login()
        finally:
            owner.execute(f"ALTER ROLE hidden_reader RENAME TO {_GROUP}".encode())
            owner.execute("REASSIGN OWNED BY modest TO CURRENT_USER")
            owner.execute("DROP OWNED BY modest")
            owner.execute("DROP ROLE modest")
