"""Connections to Postgres: one engine per process, opened after the fork, and transactions."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.orm import Session

from spikemill.services.common.errors import CallError
from spikemill.services.common.retry import Backoff
from spikemill.services.common.settings import settings

# A server that vanished is noticed within a minute or so, not after the system's two hours.
_KEEPALIVE = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
PATIENCE_FOR_RESULTS = 3600.0
"""The seconds that Postgres is waited for when hours of work are at stake."""
_BACKOFF = Backoff(first_pause=0.2, longest_pause=5.0, jitter=True)

_Result = TypeVar("_Result")


_engines: dict[tuple[int, str], Engine] = {}


def engine() -> Engine:
    """Return this process's engine: connections do not survive a fork."""
    key = (os.getpid(), _address())
    if key not in _engines:
        made = create_engine(
            key[1],
            pool_size=2,
            pool_pre_ping=True,
            connect_args={"connect_timeout": 10, "application_name": "spikemill", **_KEEPALIVE},
        )
        # Of threads that ask at once each may make one; all get the first, and no other ever connects.
        _engines.setdefault(key, made)
    return _engines[key]


def _address() -> str:
    """Return the ledger's address with the driver that we use."""
    url = settings().database_url
    if url is None:
        raise CallError("There is no ledger: set SPIKEMILL_DATABASE_URL, or use spikemill build.")
    try:
        address = make_url(url.get_secret_value()).set(drivername="postgresql+psycopg")
    except ArgumentError as error:
        raise CallError("SPIKEMILL_DATABASE_URL: write it as postgresql://user@host/name.") from error
    return address.render_as_string(hide_password=False)


@contextmanager
def transaction() -> Iterator[Session]:
    """Open a session whose transaction commits at the end of the block."""
    with Session(engine(), expire_on_commit=False) as session, session.begin():
        yield session


def is_connection_lost(error: BaseException) -> bool:
    """Tell whether Postgres could not be reached, as opposed to having refused a statement."""
    is_invalidated = isinstance(error, DBAPIError) and error.connection_invalidated
    return is_invalidated or isinstance(error, OperationalError | InterfaceError)


def patiently(work: Callable[[], _Result], *, seconds: float) -> _Result:
    """Run the work again while Postgres is away, for at most the given seconds.

    The work must be safe to repeat: the answer to a commit may have been lost.
    """
    return _BACKOFF.retrying(is_connection_lost, within=seconds)(work)
