"""Runs migrations one process at a time, and never waits long for a lock."""

from alembic import context
from sqlalchemy import text

from spikemill.services.common.database import engine
from spikemill.services.common.models import Model

_LOCK_TIMEOUT = "SET LOCAL lock_timeout = '5s'"
# Several containers may start at once; the others find nothing left to do.
_ADVISORY_LOCK = "SELECT pg_advisory_xact_lock(hashtext('spikemill.migrations'))"


def run() -> None:
    """Migrate the database of this process's settings."""
    with engine().begin() as connection:
        connection.execute(text(_ADVISORY_LOCK))
        connection.execute(text(_LOCK_TIMEOUT))
        context.configure(
            connection=connection, target_metadata=Model.metadata, transaction_per_migration=False
        )
        context.run_migrations()


run()
