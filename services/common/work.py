"""How a task does a job: claim it, work, record the result; only a network failure leaves it."""

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from celery import Task
from sqlalchemy.orm import Session as Transaction

from services.common.celery import TIME_LIMIT
from services.common.database import patiently, transaction
from services.common.errors import NetworkError, readable
from services.common.heartbeat import Heartbeat
from services.common.ledger import claims, endings
from services.common.ledger.claims import Claim, SupersededError
from services.common.ledger.endings import Result
from services.common.models.work import JobState

_log = logging.getLogger(__name__)

# Hours of work are at stake when a result is recorded.
_PATIENCE = 3600.0
_SHORT_TRIES = 3
_BACKOFF = 2
_LONGEST_BACKOFF = 60
_MARGIN = 5.0

NETWORK_RETRIES: dict[str, Any] = {
    "bind": True,
    "autoretry_for": (NetworkError,),
    "max_retries": _SHORT_TRIES,
    "retry_backoff": _BACKOFF,
    "retry_backoff_max": _LONGEST_BACKOFF,
    "retry_jitter": True,
}
"""Celery's own retry, for the short tries; the longer waits are the ledger's."""

Handler = Callable[[Claim, Heartbeat], Result]


def perform(task: Task, job_id: int, handler: Handler) -> None:
    """Do one job, if it is still to be done.

    Raises NetworkError, and nothing else, so that Celery sends the message again after its short backoff.
    """
    claim = _claim(job_id)
    if claim is None:
        return
    started = time.monotonic()
    try:
        with Heartbeat(claim) as heartbeat:
            result = handler(claim, heartbeat)
            _insist(partial(endings.finish, claim=claim, result=result))
        result.afterwards()
    except SupersededError as superseded:
        _log.info("%s", superseded)
        _record(partial(endings.step_back, claim=claim, error=superseded))
    except NetworkError as error:
        _after_network_failure(task, claim, error)
    except (SystemExit, KeyboardInterrupt):
        _after_stop(claim, time.monotonic() - started)
        raise
    except Exception as error:
        _fail(claim, error)


def _claim(job_id: int) -> Claim | None:
    """Claim the job, or drop the message: the sweeper sends another one while the job is to be done.

    A claim whose answer was lost ends with its lease.
    """
    try:
        with transaction() as ledger:
            claim = claims.claim(ledger, job_id)
    except Exception as error:
        _log.warning("job %d could not be claimed: %s", job_id, readable(error))
        return None
    if claim is None:
        _log.info("job %d is not to be done now", job_id)
    return claim


def _insist(change: Callable[[Transaction], JobState | None]) -> JobState | None:
    """Make a change of state, for as long as it takes to reach Postgres."""

    def once() -> JobState | None:
        with transaction() as ledger:
            return change(ledger)

    return patiently(once, seconds=_PATIENCE)


def _record(change: Callable[[Transaction], JobState | None]) -> JobState | None:
    """Make a change of state if it can be made; what cannot be recorded ends with the job's lease."""
    try:
        return _insist(change)
    except SupersededError as superseded:
        _log.info("%s", superseded)
    except Exception:
        _log.exception("the ledger could not be told")
    return None


def _after_network_failure(task: Task, claim: Claim, error: NetworkError) -> None:
    """Let Celery retry soon, while the job's short tries last; then the ledger says when."""
    backoff = min(_LONGEST_BACKOFF, _BACKOFF * 2**task.request.retries)
    # By the ledger's count too: a message that comes after a long wait brings no new short tries.
    tries = max(task.request.retries, claim.failures)
    is_short = tries < _SHORT_TRIES and (error.retry_after or 0) <= 0
    if not is_short:
        _fail(claim, error)
        return
    state = _record(partial(endings.retry_soon, claim=claim, error=error, within=backoff + _MARGIN))
    if state is JobState.READY:
        _log.warning("%s %d: %s", claim.kind, claim.job, readable(error))
        raise error


def _fail(claim: Claim, error: Exception) -> None:
    _log.warning("%s %d: %s", claim.kind, claim.job, readable(error), exc_info=error)
    _record(partial(endings.fail, claim=claim, error=error))


def _after_stop(claim: Claim, seconds: float) -> None:
    """Give the job back; the hard time limit looks the same, and counts as a failure."""
    if seconds >= TIME_LIMIT:
        _fail(claim, TimeoutError("It ran past the time limit."))
    else:
        _record(partial(endings.release, claim=claim))
