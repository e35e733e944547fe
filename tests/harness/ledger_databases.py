"""An empty ledger for each test: the database of the last one, emptied, or a new one where that left more.

To make a database anew for each test costs more than most tests: Postgres copies files, each connection
learns the tables again, and SQLAlchemy compiles every statement again.
"""

from time import sleep
from typing import Any
from uuid import uuid4

import psycopg
from sqlalchemy import Engine

# What changes when a table, a column, a trigger, a function or a right does.
_CATALOGUES = (
    *("pg_attrdef", "pg_attribute", "pg_class", "pg_constraint", "pg_database", "pg_db_role_setting"),
    *("pg_default_acl", "pg_namespace", "pg_proc", "pg_rewrite", "pg_trigger"),
)
_SCHEMA = " UNION ALL ".join(
    f"SELECT '{name}', count(*), max(xmin::text::bigint) FROM {name}"  # noqa: S608 - the names above
    for name in _CATALOGUES
)
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
_OTHERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
_LOCKS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
_POLLS = 20
_POLL = 0.01


class LedgerDatabases:
    """Gives one empty ledger after another, on one server, as copies of a template."""

    def __init__(self, template: str) -> None:
        """Copy the database at this address, which nobody is connected to."""
        self._template = template
        self._current: _Database | None = None
        self._engine: Engine | None = None

    def give(self) -> str:
        """Return the address of an empty ledger."""
        self._current = self._current or _Database(self._template)
        return self._current.address

    def take_back(self, engine: Engine) -> None:
        """Empty the ledger for the next test; drop it where more than an idle engine is still there."""
        self._engine = engine
        if self._current is not None and not self._current.is_emptied(engine):
            self.drop()

    def drop(self) -> None:
        """Drop the ledger, if there is one."""
        if self._engine is not None:
            self._engine.dispose()
        if self._current is not None:
            self._current.drop()
        self._engine = self._current = None


class _Database:
    def __init__(self, template: str) -> None:
        self._template = template
        self._name = f"test_{uuid4().hex}"
        self.address = template.replace("/spikemill?", f"/{self._name}?")
        self._on_server(f'CREATE DATABASE "{self._name}" TEMPLATE spikemill')
        self._connection = psycopg.connect(self.address, autocommit=True)
        self._connection.execute("SET lock_timeout = '1s'")
        tables = ", ".join(f'"{name}"' for (name,) in self._ask(_TABLES))
        self._empty = f"TRUNCATE {tables} RESTART IDENTITY"
        self._mark = self._copied("COPY ledger_mark TO STDOUT")
        self._schema = self._ask(_SCHEMA)

    def is_emptied(self, engine: Engine) -> bool:
        """Empty it, unless something else than rows has changed, or somebody is still there."""
        try:
            if self._is_in_use(engine) or self._ask(_SCHEMA) != self._schema:
                return False
            self._connection.execute(self._empty)
            with self._connection.cursor().copy("COPY ledger_mark FROM STDIN") as copy:
                copy.write(self._mark)
            self._schema = self._ask(_SCHEMA)
        except psycopg.Error:
            return False
        return True

    def drop(self) -> None:
        self._connection.close()
        self._on_server(f'DROP DATABASE "{self._name}" WITH (FORCE)')

    def _is_in_use(self, engine: Engine) -> bool:
        pool: Any = engine.pool
        for _ in range(_POLLS):
            # Who has just gone is still there for a moment.
            if self._ask(_OTHERS) == [(pool.checkedin(),)]:
                return pool.checkedout() > 0 or self._ask(_LOCKS) != [(0,)]
            sleep(_POLL)
        return True

    def _ask(self, question: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(question.encode()).fetchall()

    def _copied(self, statement: str) -> bytes:
        with self._connection.cursor().copy(statement.encode()) as copy:
            return b"".join(bytes(part) for part in copy)

    def _on_server(self, statement: str) -> None:
        with psycopg.connect(
            self._template.replace("/spikemill?", "/postgres?"), autocommit=True
        ) as connection:
            connection.execute(statement.encode())
