"""Archives' rate limits, shared by all workers: a row per host hands out the next slot."""

from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session as Transaction

from services.common.models import RequestSlot

# A host that was left alone for a while answers this many requests at once.
_BURST = 10


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
    """Let nobody ask the host for the given time: it said so (Retry-After)."""
    until = func.clock_timestamp() + timedelta(seconds=seconds)
    transaction.execute(
        upsert(RequestSlot)
        .values(host=host, next_at=until)
        .on_conflict_do_update(
            index_elements=["host"], set_={"next_at": func.greatest(RequestSlot.next_at, until)}
        )
    )
