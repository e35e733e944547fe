"""What the sweeper does to jobs: it sends those that may run, and takes them from workers that stopped."""

import os
import socket
from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, select, text, update
from sqlalchemy.orm import Session as Transaction
from sqlalchemy.orm import aliased

from spikemill.services.common.ledger.jobs import end_attempt, mark_dead, release_lease, requeue
from spikemill.services.common.ledger.locks import lock_sessions, needed_by_open_build, sessions_of
from spikemill.services.common.models import Job, JobDependency, JobKind, JobState, LedgerMark, Outcome
from spikemill.services.common.process import UNKNOWN, ProcessExit
from spikemill.services.common.settings import settings

_BATCH = 500


def note_start(transaction: Transaction) -> None:
    """Count the sweeper's silence from now: nothing ran before, so no worker needs a grace period."""
    transaction.execute(update(LedgerMark).values(heartbeat_at=func.clock_timestamp()))


def note_heartbeat(transaction: Transaction) -> None:
    """Record that the sweeper is alive; after a pause of half a lease or more, give workers a grace period.

    While it or Postgres was away no heartbeat was recorded, so an expired lease means nothing yet.
    """
    lease = settings().lease
    now = func.clock_timestamp()
    was_away = (LedgerMark.heartbeat_at.is_not(None)) & (now - LedgerMark.heartbeat_at > lease / 2)
    transaction.execute(update(LedgerMark).where(was_away).values(grace_until=now + 1.5 * lease))
    transaction.execute(update(LedgerMark).values(heartbeat_at=now))


def expire_leases(transaction: Transaction) -> int:
    """Take jobs from owners that were silent for a whole lease; return how many."""
    in_grace = select(LedgerMark.singleton).where(LedgerMark.grace_until > func.clock_timestamp()).exists()
    return _count_crashes(transaction, (Job.lease_expires < func.clock_timestamp()) & ~in_grace)


def expire_worker(transaction: Transaction, worker: str, end: ProcessExit = UNKNOWN) -> int:
    """Take the jobs of a worker process that is known to be dead; return how many."""
    return _count_crashes(transaction, Job.lease_worker == worker, end)


def expire_owner(transaction: Transaction, job_id: int, end: ProcessExit = UNKNOWN) -> int:
    """Take a job from a process of this machine that died with it; return 1 if it held the job.

    Another process may hold the job by now, here or elsewhere: that one keeps it.
    """
    owner = transaction.scalar(select(Job.lease_owner).where(Job.id == job_id))
    if owner is None or not _is_gone(owner):
        return 0
    return _count_crashes(transaction, (Job.id == job_id) & (Job.lease_owner == owner), end)


def _is_gone(owner: str) -> bool:
    """Tell whether an owner is a process of this machine that no longer runs."""
    host, process, _ = owner.rsplit(":", 2)
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _count_crashes(
    transaction: Transaction, condition: ColumnElement[bool], end: ProcessExit = UNKNOWN
) -> int:
    running = select(Job).where(Job.state == JobState.RUNNING, condition).order_by(Job.id)
    suspects = transaction.scalars(running.with_only_columns(Job.id).limit(_BATCH)).all()
    if not suspects:
        return 0
    lock_sessions(transaction, sessions_of(Job.id.in_(suspects)))
    vanished = transaction.scalars(running.where(Job.id.in_(suspects)).with_for_update()).all()
    for job in vanished:
        _count_crash(transaction, job, end)
    return len(vanished)


def _count_crash(transaction: Transaction, job: Job, end: ProcessExit) -> None:
    """Run a job again that vanished with its worker, unless that happened too often."""
    job.crashes += 1
    job.error_class = "Vanished"
    job.error = f"Attempt {job.attempt} of {job.lease_owner} vanished: {end.reason}."
    end_attempt(transaction, job, Outcome.VANISHED, job.error)
    if job.crashes >= settings().max_crashes:
        job.error += f" It happened {job.crashes} times; {end.remedy}, then retry."
        mark_dead(transaction, job)
    elif job.attempt >= settings().attempt_cap:
        job.error += f" It was the last of {job.attempt} attempts; "
        job.error += f"see the attempts of job {job.id} in the ledger, then retry."
        mark_dead(transaction, job)
    else:
        release_lease(job, JobState.READY)
        job.not_before = func.clock_timestamp() + timedelta(seconds=2**job.crashes)


def reclaim_older_boots(transaction: Transaction, boot: str) -> int:
    """Make ready what an earlier supervisor of the same home left running; nothing is counted."""
    left = transaction.scalars(
        select(Job)
        .where(Job.state == JobState.RUNNING, Job.supervisor_id.is_distinct_from(boot))
        .with_for_update()
    ).all()
    for job in left:
        requeue(transaction, job, Outcome.RELEASED)
    return len(left)


def promote_unblocked(transaction: Transaction) -> None:
    """Make ready what waited only for jobs that are done; a fetch waits for room in the spool instead."""
    needed = aliased(Job)
    is_open = (
        select(JobDependency.job_id)
        .join(needed, needed.id == JobDependency.needs_id)
        .where(JobDependency.job_id == Job.id, needed.state != JobState.DONE)
        .exists()
    )
    unblocked = (Job.state == JobState.BLOCKED) & (Job.kind != JobKind.FETCH) & ~is_open
    # Checked again once they are locked: what they needed may have been reopened in between.
    locked = transaction.scalars(
        select(Job.id).where(unblocked).order_by(Job.id).with_for_update(skip_locked=True)
    ).all()
    transaction.execute(
        update(Job)
        .where(Job.id.in_(locked), unblocked)
        .values(
            state=JobState.READY,
            sent_at=None,
            not_before=func.greatest(Job.not_before, func.clock_timestamp()),
        )
        .execution_options(synchronize_session=False)
    )


class Message(NamedTuple):
    """A message to send: look at this job."""

    job: int
    kind: JobKind


def forget_messages(transaction: Transaction) -> None:
    """Treat every message as lost: at a start no broker remembers any."""
    transaction.execute(
        update(Job)
        .where(Job.state == JobState.READY)
        .values(sent_at=None, broker_epoch=None, celery_retry_until=None)
    )


def runnable_kinds(transaction: Transaction) -> set[JobKind]:
    """Return the kinds of which a job may run now, whether or not a message for it was sent."""
    return set(transaction.scalars(select(Job.kind).where(_may_run()).distinct()))


def mark_sent(transaction: Transaction, kinds: Sequence[JobKind], *, epoch: str, idle: bool) -> list[Message]:
    """Choose the jobs of a queue to send now, within its window, and mark them sent.

    A job is sent unless its last message may still arrive: one that is recent, from the same epoch of the
    broker. Where the queue is empty, recent means some seconds.
    """
    patience = timedelta(seconds=3) if idle else settings().resend
    is_recent = (Job.broker_epoch == epoch) & (Job.sent_at > func.clock_timestamp() - patience)
    is_under_way = func.coalesce(is_recent, text("false"))
    waiting = select(func.count(Job.id)).where(Job.state == JobState.READY, Job.kind.in_(kinds), is_under_way)
    room = settings().window - transaction.scalars(waiting).one()
    if room <= 0:
        return []
    chosen = (
        select(Job.id)
        .where(Job.kind.in_(kinds), _may_run(), ~is_under_way, needed_by_open_build())
        .order_by(Job.not_before, Job.id)
        .limit(room)
        .with_for_update(skip_locked=True)
        .cte()
    )
    sent = transaction.execute(
        update(Job)
        .where(Job.id == chosen.c.id)
        .values(sent_at=func.clock_timestamp(), broker_epoch=epoch)
        .returning(Job.id, Job.kind)
        .execution_options(synchronize_session=False)
    )
    return sorted(Message(*row) for row in sent)


def _may_run() -> ColumnElement[bool]:
    now = func.clock_timestamp()
    return (
        (Job.state == JobState.READY)
        & (Job.not_before <= now)
        & (Job.celery_retry_until.is_(None) | (Job.celery_retry_until <= now))
    )
