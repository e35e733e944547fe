"""Brings the ledger's schema up to date, and lets people read it: run with `python -m`."""

import logging
import re
from typing import TYPE_CHECKING, cast

from psycopg import Connection, sql
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from spikemill.services.common.database import engine
from spikemill.services.common.errors import CallError
from spikemill.services.common.files import resource_folder
from spikemill.services.common.logs import configure_logging
from spikemill.services.common.settings import settings

if TYPE_CHECKING:
    from alembic.config import Config

_REVISION = re.compile(r'^(revision|down_revision) = "(\w+)"', re.MULTILINE)
_log = logging.getLogger("spikemill.services.common.migrate")
LOGIN = "reader"
_GROUP = "spikemill_reader"
# What a person types by mistake must neither write nor keep the workers waiting.
_LIMITS = (
    "default_transaction_read_only = on",
    "statement_timeout = '60s'",
    "idle_in_transaction_session_timeout = '60s'",
)


def main() -> None:
    """Migrate; where a password for `reader` is set, give it to that login."""
    configure_logging()
    migrate()
    if settings().reader_password is not None:
        give_login()


def migrate() -> None:
    """Upgrade the ledger to the newest schema; safe to call from several processes at once."""
    if present_revision() == newest_revision():
        return
    # Most ledgers are up to date, and Alembic takes longer to load than to ask.
    from alembic import command  # noqa: PLC0415

    command.upgrade(configuration(), "head")


def configuration() -> "Config":
    """Return Alembic's configuration, without a file."""
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(resource_folder("migrations")))
    return config


def present_revision() -> str | None:
    """Return the revision of the ledger's schema, None before the first migration."""
    try:
        with engine().connect() as connection:
            present: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    except ProgrammingError:
        return None
    return present


def newest_revision() -> str:
    """Return the revision that no other follows."""
    found = {"revision": set[str](), "down_revision": set[str]()}
    for path in (resource_folder("migrations") / "versions").glob("*.py"):
        for name, revision in _REVISION.findall(path.read_text(encoding="utf-8")):
            found[name].add(revision)
    (newest,) = found["revision"] - found["down_revision"]
    return newest


def give_login() -> None:
    """Give the login `reader` its password, as a member of the group that may read.

    The server gets a digest: neither its log nor a list of what runs ever shows the password.
    """
    password = settings().reader_password
    if password is None:
        raise CallError(
            f"The database user {LOGIN} needs a password: set SPIKEMILL_READER_PASSWORD, "
            "or write it into /run/secrets/spikemill_reader_password."
        )
    login, group = sql.Identifier(LOGIN), sql.Identifier(_GROUP)
    with engine().begin() as pooled:
        connection = cast("Connection", pooled.connection.driver_connection)
        if not _exists(connection, _GROUP):
            raise CallError(
                "There is no role spikemill_reader; the log of the migrations says how to make it."
            )
        if not _exists(connection, LOGIN):
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(login))
        digest = connection.pgconn.encrypt_password(
            password.get_secret_value().encode(), LOGIN.encode(), b"scram-sha-256"
        )
        statement = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}")
        connection.execute(statement.format(login, sql.Literal(digest.decode())))
        connection.execute(sql.SQL("GRANT {} TO {}").format(group, login))
        for limit in _LIMITS:
            connection.execute(sql.SQL("ALTER ROLE {} SET {}").format(login, sql.SQL(limit)))
    _log.info("the database user %s may read the ledger", LOGIN)


def _exists(connection: Connection, role: str) -> bool:
    found = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role])
    return found.fetchone() is not None


if __name__ == "__main__":
    main()
