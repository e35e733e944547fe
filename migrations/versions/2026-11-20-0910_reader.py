"""A role for people who may look at everything and change nothing."""

import logging

from alembic import op
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

revision = "c41d7f02a9e3"
down_revision = "5e1b0c8d2f47"

_log = logging.getLogger("spikemill.services.migrations")
_IS_THERE = text("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = 'spikemill_reader')")
_MAKE = "CREATE ROLE spikemill_reader NOLOGIN"
_COMMENT = "COMMENT ON ROLE spikemill_reader IS 'Reads the ledgers of spikemill, and changes nothing.'"
# A role belongs to all databases of a server; what it may read is granted in each.
_GRANTS = (
    "GRANT USAGE ON SCHEMA public TO spikemill_reader",
    "GRANT SELECT ON ALL TABLES IN SCHEMA public TO spikemill_reader",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO spikemill_reader",
)
_REVOKES = (
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE SELECT ON TABLES FROM spikemill_reader",
    "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM spikemill_reader",
    "REVOKE USAGE ON SCHEMA public FROM spikemill_reader",
)
_NO_ROLE = (
    "This user of the database may not make roles, so there is none for people who only look. Where one is "
    "wanted, an administrator types: %s"
)


def upgrade() -> None:
    """Make the role where it is missing and may be made; it reads all tables and views, also later ones."""
    if _has_role() or _made_role():
        for grant in _GRANTS:
            op.execute(grant)
    else:
        _log.warning(_NO_ROLE, "; ".join((_MAKE, *_GRANTS)))


def downgrade() -> None:
    """Take its rights in this database; other databases of the server may know the role too."""
    if _has_role():
        for revoke in _REVOKES:
            op.execute(revoke)


def _has_role() -> bool:
    return bool(op.get_bind().scalar(_IS_THERE))


def _made_role() -> bool:
    """Make the role, and tell whether it is there then: another database may be migrated at the same time."""
    try:
        with op.get_bind().begin_nested():
            op.execute(_MAKE)
            op.execute(_COMMENT)
    except DBAPIError:
        return _has_role()
    return True
