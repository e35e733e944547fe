"""Brings the ledger's schema up to date; run before anything else touches it."""

from alembic import command
from alembic.config import Config

from services.common.log import configure_logging
from services.common.resources import resource_folder


def configuration() -> Config:
    """Return Alembic's configuration, without a file."""
    config = Config()
    config.set_main_option("script_location", str(resource_folder("migrations")))
    return config


def migrate() -> None:
    """Upgrade the ledger to the newest schema; safe to call from several processes at once."""
    command.upgrade(configuration(), "head")


if __name__ == "__main__":
    configure_logging()
    migrate()
