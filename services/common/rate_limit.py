"""The rate limiter: one limit for each host, in one process or shared through the ledger."""

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

# Seconds: a job that has to wait longer goes back to the queue, and a person does not wait longer.
_LONGEST_WAIT = 30.0
# After a pause a host is sent so many requests at once.
_BURST = 10
# Seconds: a Retry-After above a day is treated as malformed.
_LONGEST_RETRY_AFTER = 86_400.0


class RateLimiter(Protocol):
    """Limits how often requests are sent to a host: each request waits for its slot."""

    def wait_for_slot(self, host: str) -> None:
        """Return when the next request to this host may be sent."""

    def defer(self, host: str, seconds: float) -> None:
        """Send this host nothing for so many seconds: it answered with Retry-After."""


class Unlimited:
    """Sends every request at once: for a single caller, and for tests."""

    def wait_for_slot(self, host: str) -> None:
        """Return at once."""

    def defer(self, host: str, seconds: float) -> None:
        """Do nothing; the error that follows carries the wait too."""


class LedgerRateLimiter:
    """Shares the limit of `SPIKEMILL_REQUESTS_PER_MINUTE` among all workers, through the ledger."""

    def wait_for_slot(self, host: str) -> None:
        """Return when the next request to this host may be sent.

        Raises NetworkError when that takes long: the job goes back to the queue meanwhile.
        """
        with transaction() as ledger:
            wait = take_slot(ledger, host, per_minute=settings().requests_per_minute)
        if wait > _LONGEST_WAIT:
            raise NetworkError(f"{host} asked us to wait.", retry_after=wait)
        time.sleep(wait)

    def defer(self, host: str, seconds: float) -> None:
        """Send this host nothing for so many seconds."""
        with transaction() as ledger:
            defer_slots(ledger, host, seconds)


def take_slot(transaction: Transaction, host: str, *, per_minute: int) -> float:
    """Take the host's next slot; return the seconds until it comes."""
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
    """Move the host's next slot at least so many seconds into the future."""
    until = func.clock_timestamp() + timedelta(seconds=seconds)
    transaction.execute(
        upsert(RequestSlot)
        .values(host=host, next_at=until)
        .on_conflict_do_update(
            index_elements=["host"], set_={"next_at": func.greatest(RequestSlot.next_at, until)}
        )
    )


class ProcessRateLimiter:
    """Sends each host so many requests a minute, and a few at once after a pause."""

    def __init__(self, per_minute: int) -> None:
        self._pause = 60.0 / per_minute
        self._next: dict[str, float] = defaultdict(float)

    def wait_for_slot(self, host: str) -> None:
        """Return when the next request to this host may be sent."""
        now = time.monotonic()
        slot = max(self._next[host], now - (_BURST - 1) * self._pause)
        self._next[host] = slot + self._pause
        time.sleep(max(0.0, slot - now))

    def defer(self, host: str, seconds: float) -> None:
        """Send this host nothing for so many seconds, but no longer than a person would wait."""
        until = time.monotonic() + min(seconds, _LONGEST_WAIT)
        self._next[host] = max(self._next[host], until)


class CountingRateLimiter:
    """Counts the requests that another limiter lets through."""

    def __init__(self, limiter: RateLimiter) -> None:
        self._limiter = limiter
        self.requests = 0

    def wait_for_slot(self, host: str) -> None:
        """Return when the next request to this host may be sent, and count it."""
        self._limiter.wait_for_slot(host)
        self.requests += 1

    def defer(self, host: str, seconds: float) -> None:
        """Send this host nothing for so many seconds."""
        self._limiter.defer(host, seconds)


def retry_after_seconds(value: str | None, *, now: datetime | None = None) -> float | None:
    """Return the seconds that a Retry-After header asks for; it holds seconds, or a date."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return min(float(value), _LONGEST_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = (moment - (now or datetime.now(UTC))).total_seconds()
    return min(max(0.0, seconds), _LONGEST_RETRY_AFTER)
