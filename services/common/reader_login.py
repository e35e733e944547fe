"""Gives the database user `reader` its password: `python -m services.common.reader_login`.

It runs after the migrations, and may be run again at any time: the password of the last call counts.
"""

import logging
from typing import TYPE_CHECKING, cast

from services.common.database import engine
from services.common.errors import CallError
from services.common.ledger.reader import LOGIN, is_reading_possible, let_reader_in
from services.common.log import configure_logging
from services.common.settings import settings

if TYPE_CHECKING:
    import psycopg

_log = logging.getLogger("services.common.reader_login")


def give_login() -> None:
    """Let people look at the ledger as `reader`."""
    password = settings().reader_password
    if password is None:
        raise CallError(
            f"The database user {LOGIN} needs a password: set SPIKEMILL_READER_PASSWORD, "
            "or write it into /run/secrets/spikemill_reader_password."
        )
    with engine().begin() as connection:
        raw = cast("psycopg.Connection", connection.connection.driver_connection)
        if not is_reading_possible(raw):
            raise CallError(
                "There is no role spikemill_reader; the log of the migrations says how to make it."
            )
        let_reader_in(raw, password.get_secret_value())
    _log.info("the database user %s may read the ledger", LOGIN)


if __name__ == "__main__":
    configure_logging()
    give_login()
