"""How often an archive is asked: one limit per archive, in one process or shared through the ledger."""

import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Protocol

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session as Transaction

from spikemill.services.common.database import transaction
from spikemill.services.common.errors import NetworkError
from spikemill.services.common.models import RequestSlot
from spikemill.services.common.settings import settings

# A longer wait is the job's, not the worker's.
_LONGEST_WAIT = 30.0
# A host that was left alone for a while answers this many requests at once.
_BURST = 10
_REQUESTS_AT_ONCE = 10
_LONGEST_SLEEP = 30.0
# Seconds: a Retry-After above a day is treated as malformed.
_LONGEST_PAUSE = 86_400.0


class RequestPacer(Protocol):
    """Hands out the next slot for a request to a host, to all that ask it."""

    def wait_for_slot(self, host: str) -> None:
        """Return when the next request to this host may be sent."""

    def defer(self, host: str, seconds: float) -> None:
        """Give out no slot of this host for so long: it answered with Retry-After."""


class Unpaced:
    """Lets every request go at once: for a single caller, and for tests."""

    def wait_for_slot(self, host: str) -> None:
        """Return at once."""

    def defer(self, host: str, seconds: float) -> None:
        """Forget what the host asked for; the error that follows carries it too."""


class LedgerPacer:
    """Hands out request slots from the ledger."""

    def wait_for_slot(self, host: str) -> None:
        """Return when the next request to this host may be sent.

        Raises NetworkError when that is long from now: the job goes back to the queue meanwhile.
        """
        with transaction() as ledger:
            wait = take_slot(ledger, host, per_minute=settings().requests_per_minute)
        if wait > _LONGEST_WAIT:
            raise NetworkError(f"{host} asked us to wait.", retry_after=wait)
        time.sleep(wait)

    def defer(self, host: str, seconds: float) -> None:
        """Give out no slot of this host for so many seconds."""
        with transaction() as ledger:
            defer_slots(ledger, host, seconds)


def take_slot(transaction: Transaction, host: str, *, per_minute: int) -> float:
    """Take the host's next slot; return in how many seconds it comes."""
    pause = timedelta(minutes=1) / per_minute
    now = func.clock_timestamp()
    earliest = func.greatest(RequestSlot.next_at, now - (_BURST - 1) * pause)
    taken = transaction.scalars(
        upsert(RequestSlot)
        .values(host=host, next_at=now - (_BURST - 2) * pause)
        .on_conflict_do_update(index_elements=["host"], set_={"next_at": earliest + pause})
        .returning(RequestSlot.next_at)
    ).one()
    wait = transaction.scalars(select(func.extract("epoch", taken - pause - func.clock_timestamp()))).one()
    return max(0.0, float(wait))


def defer_slots(transaction: Transaction, host: str, seconds: float) -> None:
    """Give out no slot of the host for so many seconds, as its Retry-After asks."""
    until = func.clock_timestamp() + timedelta(seconds=seconds)
    transaction.execute(
        upsert(RequestSlot)
        .values(host=host, next_at=until)
        .on_conflict_do_update(
            index_elements=["host"], set_={"next_at": func.greatest(RequestSlot.next_at, until)}
        )
    )


class ProcessPacer:
    """Hands out so many requests a minute to each host; one left alone answers a few at once."""

    def __init__(self, per_minute: int) -> None:
        self._pause = 60.0 / per_minute
        self._next: dict[str, float] = defaultdict(float)

    def wait_for_slot(self, host: str) -> None:
        """Return when the next request to this host may be sent."""
        now = time.monotonic()
        slot = max(self._next[host], now - (_REQUESTS_AT_ONCE - 1) * self._pause)
        self._next[host] = slot + self._pause
        time.sleep(max(0.0, slot - now))

    def defer(self, host: str, seconds: float) -> None:
        """Ask this host nothing for so long; a person waits, so it is bounded."""
        until = time.monotonic() + min(seconds, _LONGEST_SLEEP)
        self._next[host] = max(self._next[host], until)


class CountingPacer:
    """Counts the slots that it asks another pacer for."""

    def __init__(self, pacer: RequestPacer) -> None:
        self._pacer = pacer
        self.requests = 0

    def wait_for_slot(self, host: str) -> None:
        """Return when the next request to this host may be sent, and count it."""
        self._pacer.wait_for_slot(host)
        self.requests += 1

    def defer(self, host: str, seconds: float) -> None:
        """Give out no slot of this host for so long."""
        self._pacer.defer(host, seconds)


def retry_after_seconds(value: str | None, *, now: datetime | None = None) -> float | None:
    """Return the pause that a Retry-After header asks for: it holds seconds, or a date."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return min(float(value), _LONGEST_PAUSE)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = (moment - (now or datetime.now(UTC))).total_seconds()
    return min(max(0.0, seconds), _LONGEST_PAUSE)
