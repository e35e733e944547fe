"""Which jobs are sent to the workers now, and which message for a job may still arrive."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, func, select, text, update
from sqlalchemy.orm import Session as Transaction

from services.common.ledger.wanted import is_wanted
from services.common.models import Job
from services.common.models.work import JobKind, JobState
from services.common.settings import settings


@dataclass(frozen=True, slots=True)
class Message:
    """A message that is to be sent: look at this job."""

    job: int
    kind: JobKind


def forget_messages(transaction: Transaction) -> None:
    """Treat every message as lost: at a start no broker remembers any."""
    transaction.execute(
        update(Job).where(Job.state == JobState.READY).values(sent_at=None, sent_epoch=None, retry_until=None)
    )


def runnable_kinds(transaction: Transaction) -> set[JobKind]:
    """Return the kinds of which a job may run now, whether or not a message for it is under way."""
    return set(transaction.scalars(select(Job.kind).where(_may_run()).distinct()))


def mark_sent(transaction: Transaction, kinds: Sequence[JobKind], *, epoch: str, idle: bool) -> list[Message]:
    """Choose the jobs of a queue to send now, within its window, and mark them sent.

    A job is sent when no message for it is under way: none was sent, the broker began a new life since, the
    queue has been empty for some seconds, or the message is old.
    """
    room = settings().window - _under_way(transaction, kinds, epoch=epoch, idle=idle)
    if room <= 0:
        return []
    chosen = (
        select(Job.id)
        .where(Job.kind.in_(kinds), _may_run(), ~_is_under_way(epoch=epoch, idle=idle), is_wanted())
        .order_by(Job.not_before, Job.id)
        .limit(room)
        .with_for_update(skip_locked=True)
        .cte()
    )
    sent = transaction.execute(
        update(Job)
        .where(Job.id == chosen.c.id)
        .values(sent_at=func.clock_timestamp(), sent_epoch=epoch)
        .returning(Job.id, Job.kind)
        .execution_options(synchronize_session=False)
    )
    return sorted((Message(job, kind) for job, kind in sent), key=lambda message: message.job)


def _may_run() -> ColumnElement[bool]:
    now = func.clock_timestamp()
    return (
        (Job.state == JobState.READY)
        & (Job.not_before <= now)
        & (Job.retry_until.is_(None) | (Job.retry_until <= now))
    )


def _is_under_way(*, epoch: str, idle: bool) -> ColumnElement[bool]:
    """Return the condition that a message for the job may still arrive."""
    patience = timedelta(seconds=3) if idle else settings().resend
    return func.coalesce(
        (Job.sent_epoch == epoch) & (Job.sent_at > func.clock_timestamp() - patience), text("false")
    )


def _under_way(transaction: Transaction, kinds: Sequence[JobKind], *, epoch: str, idle: bool) -> int:
    waiting = (Job.state == JobState.READY) & Job.kind.in_(kinds) & _is_under_way(epoch=epoch, idle=idle)
    return transaction.scalar(select(func.count()).select_from(Job).where(waiting)) or 0
