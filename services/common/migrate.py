"""Brings the ledger's schema up to date; run before anything else touches it."""

import re
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from services.common.database import engine
from services.common.log import configure_logging
from services.common.resources import resource_folder

if TYPE_CHECKING:
    from alembic.config import Config

_REVISION = re.compile(r'^(revision|down_revision) = "(\w+)"', re.MULTILINE)
_PRESENT = text("SELECT version_num FROM alembic_version")


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
            present: str | None = connection.scalar(_PRESENT)
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


if __name__ == "__main__":
    configure_logging()
    migrate()
