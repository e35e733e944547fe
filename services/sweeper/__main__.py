"""`python -m spikemill.services.sweeper`: keep the ledger moving until told to stop.

Each round expires leases, promotes jobs, opens gates, admits sessions and sends messages. The sweeper may be
started twice; one works. It keeps nothing in memory that the ledger does not hold.
"""

import logging
import signal
import time
from collections.abc import Callable, Sequence
from threading import Event
from typing import Any
from uuid import uuid4

from celery import Celery
from kombu.connection import Connection as BrokerConnection
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError
from sqlalchemy import Connection
from sqlalchemy.orm import Session as Transaction

from spikemill.services.common.database import engine, is_connection_lost, transaction
from spikemill.services.common.errors import SpikemillError, readable
from spikemill.services.common.ledger import dispatch, locks, releases, sessions
from spikemill.services.common.ledger.build_queries import names_of
from spikemill.services.common.logs import configure_logging
from spikemill.services.common.process import HeartbeatFile
from spikemill.services.common.settings import settings
from spikemill.services.common.store.ownership import require_store
from spikemill.services.common.worker.app import create_app
from spikemill.services.common.worker.kinds import Queue, kinds_of, task_name
from spikemill.services.sweeper.garbage_collection import clean_up
from spikemill.services.sweeper.metrics import serve_metrics

_log = logging.getLogger("spikemill.services.sweeper")
_EPOCH_KEY = "spikemill:epoch"
# The seconds until the next try where garbage collection fails; else the store says when it runs again.
_RETRY_CLEAN_UP = 10.0
STEPS: Sequence[Callable[[Transaction], object]] = (
    dispatch.note_heartbeat,
    dispatch.expire_leases,
    dispatch.promote_unblocked,
    releases.fire_gates,
    sessions.reclaim_reservations,
)
"""What each round does to the ledger before it admits sessions and sends messages."""


def main() -> None:
    """Sweep until SIGTERM or SIGINT."""
    configure_logging()
    require_store()
    sweeper = Sweeper(create_app())
    if (port := settings().metrics_port) is not None:
        serve_metrics(settings().metrics_address, port)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sweeper.stop())
    sweeper.run()


class Sweeper:
    """Runs rounds until it is told to stop; sends messages through the given application."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        # A broker that is away must not hold up the round: the next one asks again.
        self._options = {**app.conf.broker_transport_options, "max_retries": 1, "interval_start": 0.1}
        self._stop = Event()
        self._next_clean_up = 0.0
        self._heartbeat = HeartbeatFile(settings().heartbeat_file)

    def stop(self) -> None:
        """End after the present round."""
        self._stop.set()

    def run(self) -> None:
        """Run rounds until stopped; Postgres and the broker may go away and come back."""
        while not self._stop.is_set():
            self._heartbeat.write()
            try:
                with engine().connect() as connection:
                    self._run_alone(connection)
            except Exception as error:
                _log_failure(error)
            self._stop.wait(settings().sweep.total_seconds())

    def _run_alone(self, connection: Connection) -> None:
        """Work for as long as this connection holds the lock that only one sweeper can have."""
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        while not self._stop.is_set() and locks.take_sweeper_lock(connection):
            self.round()
            self._heartbeat.write()
            self._stop.wait(settings().sweep.total_seconds())
        # So that a build that ends leaves no file in the spool without a reservation.
        if self._stop.is_set():
            clean_up()

    def round(self) -> None:
        """Do everything once; each step has a transaction of its own and may be repeated."""
        for step in STEPS:
            with transaction() as ledger:
                step(ledger)
        with transaction() as ledger:
            sessions.admit_sessions(ledger, capacity=settings().spool_bytes)
        self._send()
        if time.monotonic() >= self._next_clean_up:
            self._next_clean_up = time.monotonic() + _RETRY_CLEAN_UP
            self._next_clean_up = time.monotonic() + clean_up()

    def _send(self) -> None:
        """Send what is ready; a broker that is away gets its messages in a later round."""
        with transaction() as ledger:
            runnable = dispatch.runnable_kinds(ledger)
        try:
            with self._app.connection_for_write(transport_options=self._options) as connection:
                epoch = _epoch_of(connection)
                for queue in Queue:
                    if runnable.intersection(kinds_of(queue)):
                        self._send_queue(connection, queue, epoch)
        except (OperationalError, RedisError, OSError) as error:
            _log.warning("the broker is away: %s", error)

    def _send_queue(self, connection: BrokerConnection, queue: Queue, epoch: str) -> None:
        """Mark, commit, then publish: a message that is lost in between is sent again later."""
        idle = _client_of(connection).llen(queue.value) == 0
        with transaction() as ledger:
            sent = dispatch.mark_sent(ledger, kinds_of(queue), epoch=epoch, idle=idle)
            names = names_of(ledger, [message.job for message in sent]) if sent else {}
        for message in sent:
            self._app.send_task(
                task_name(message.kind),
                args=[message.job],
                # Flower and Celery's own log show this in place of a bare number.
                argsrepr=f"{names[message.job]} · job {message.job}",
                queue=queue.value,
                connection=connection,
            )


def _epoch_of(connection: BrokerConnection) -> str:
    """Return the name of the broker's present life: a flush or a restart begins another."""
    client = _client_of(connection)
    client.set(_EPOCH_KEY, uuid4().hex, nx=True)
    epoch: bytes = client.get(_EPOCH_KEY)
    return epoch.decode()


def _client_of(connection: BrokerConnection) -> Any:
    """Return the Redis client that kombu holds."""
    channel: Any = connection.default_channel
    return channel.client


def _log_failure(error: Exception) -> None:
    if is_connection_lost(error):
        _log.warning("Postgres is away: %s", error)
    elif isinstance(error, SpikemillError):
        _log.warning("%s", readable(error))
    else:
        _log.error("a round failed", exc_info=error)


if __name__ == "__main__":
    main()
