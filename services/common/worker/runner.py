"""Runs one job of a task: claim, heartbeat, work, record; only a network failure leaves it."""

import logging
import time
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import asdict
from threading import Event, Thread
from typing import Any, Self

from celery import Task
from sqlalchemy.orm import Session as Transaction

from spikemill.services.common.database import (
    PATIENCE_FOR_RESULTS,
    is_connection_lost,
    patiently,
    transaction,
)
from spikemill.services.common.errors import NetworkError, SpikemillError, SupersededError, readable
from spikemill.services.common.ledger import jobs
from spikemill.services.common.ledger.build_queries import JobNames, names_of
from spikemill.services.common.ledger.jobs import Claim, Result
from spikemill.services.common.logs import log_about
from spikemill.services.common.models import JobState
from spikemill.services.common.settings import settings
from spikemill.services.common.worker.app import TIME_LIMIT

_log = logging.getLogger(__name__)
_SHORT_TRIES = 3
_BACKOFF = 2
_LONGEST_BACKOFF = 60
_MARGIN = 5.0


class JobTask(Task):  # type: ignore[misc]  # Celery has no types
    """A task whose message says what its job is about; a message that Celery sends again says it too."""

    def signature_from_request(self, request: Any = None, *args: Any, **options: Any) -> Any:
        """Return the message of a retry."""
        about = getattr(request or self.request, "argsrepr", None)
        return super().signature_from_request(request, *args, **options, argsrepr=about)


NETWORK_RETRIES: dict[str, Any] = {
    "base": JobTask,
    "bind": True,
    "autoretry_for": (NetworkError,),
    "max_retries": _SHORT_TRIES,
    "retry_backoff": _BACKOFF,
    "retry_backoff_max": _LONGEST_BACKOFF,
    "retry_jitter": True,
}
"""Celery's own retry, for the short tries; the longer waits are the ledger's."""


class Heartbeat:
    """Renews a lease while its block runs, from a thread of its own, with a connection of its own."""

    def __init__(self, claim: Claim) -> None:
        self._claim = claim
        self._stop = Event()
        self._lost = Event()
        # What it logs is about the same job.
        run = copy_context().run
        self._thread = Thread(target=run, args=(self._renew,), name=f"heartbeat-{claim.job}", daemon=True)

    def __enter__(self) -> Self:
        """Start to renew the lease."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and wait for a renewal that is under way."""
        self._stop.set()
        self._thread.join()

    def check(self) -> None:
        """Raise SupersededError when the job is no longer ours: long work asks now and then."""
        if self._lost.is_set():
            raise SupersededError(f"Job {self._claim.job} was withdrawn.")

    def _renew(self) -> None:
        while not self._stop.wait(settings().heartbeat.total_seconds()):
            try:
                with transaction() as ledger:
                    is_ours = jobs.heartbeat(ledger, self._claim)
            except Exception as error:
                # A database that cannot be reached is not a lost lease.
                if not is_connection_lost(error):
                    _log.exception("the lease could not be renewed")
                continue
            if not is_ours:
                self._lost.set()
                return


Handler = Callable[[Claim, Heartbeat], Result]


def run_job(task: Task, job_id: int, handler: Handler) -> str:
    """Do one job, if it is still to be done; return how it ended, for those who watch Celery.

    Raises NetworkError, and nothing else, so that Celery sends the message again after its short backoff.
    """
    claimed = _claim(job_id)
    if claimed is None:
        return "not to be done now"
    claim, names = claimed
    facts = {"job": claim.job, "kind": claim.kind.value, "attempt": claim.attempt}
    with log_about({**asdict(names), **facts}):
        return _work(task, claim, handler)


def _claim(job_id: int) -> tuple[Claim, JobNames] | None:
    """Claim the job, or drop the message: the sweeper sends another one while the job is to be done.

    A claim whose answer was lost ends with its lease.
    """
    try:
        with transaction() as ledger:
            claim = jobs.claim(ledger, job_id)
            if claim is not None:
                return claim, names_of(ledger, [job_id])[job_id]
    except Exception as error:
        _log.warning("job %d could not be claimed: %s", job_id, readable(error))
        return None
    _log.info("job %d is not to be done now", job_id)
    return None


def _work(task: Task, claim: Claim, handler: Handler) -> str:
    """Do a claimed job, and record how it ended."""
    started = time.monotonic()
    try:
        with Heartbeat(claim) as heartbeat:
            result = handler(claim, heartbeat)
            _commit_with_retry(lambda ledger: jobs.finish(ledger, claim, result))
        _log.info("done in %.1f s", time.monotonic() - started)
        result.afterwards()
    except SupersededError as error:
        return _after_superseded(claim, error)
    except NetworkError as error:
        return _after_network_failure(task, claim, error)
    except (SystemExit, KeyboardInterrupt):
        # The hard time limit looks like a stop, and counts as a failure.
        if time.monotonic() - started >= TIME_LIMIT:
            _fail(claim, TimeoutError("It ran past the time limit."))
        else:
            _try_commit(lambda ledger: jobs.release(ledger, claim))
        raise
    except Exception as error:
        return _fail(claim, error)
    return "done"


def _after_superseded(claim: Claim, error: SupersededError) -> str:
    _log.info("%s", error)
    _try_commit(lambda ledger: jobs.handle_superseded(ledger, claim, error))
    return f"superseded: {readable(error)}"


def _after_network_failure(task: Task, claim: Claim, error: NetworkError) -> str:
    """Let Celery retry soon, while the job's short tries last; then the ledger says when."""
    # By the ledger's count too: a message that comes after a long wait brings no new short tries.
    tries = max(task.request.retries, claim.failures)
    if tries >= _SHORT_TRIES or (error.retry_after or 0) > 0:
        return _fail(claim, error)
    within = min(_LONGEST_BACKOFF, _BACKOFF * 2**task.request.retries) + _MARGIN
    state = _try_commit(lambda ledger: jobs.retry_soon(ledger, claim, error, within=within))
    if state is JobState.READY:
        _log.warning("%s", readable(error))
        raise error
    return f"failed: {readable(error)}"


def _fail(claim: Claim, error: Exception) -> str:
    # The text of our own errors is enough; of a defect the place is worth knowing.
    trace = None if isinstance(error, SpikemillError) else error
    _log.warning("%s", readable(error), exc_info=trace)
    _try_commit(lambda ledger: jobs.fail(ledger, claim, error))
    return f"failed: {readable(error)}"


def _try_commit(change: Callable[[Transaction], JobState | None]) -> JobState | None:
    """Make a change of state if it can be made; what cannot be recorded ends with the job's lease."""
    try:
        return _commit_with_retry(change)
    except SupersededError as superseded:
        _log.info("%s", superseded)
    except Exception:
        _log.exception("the change could not be recorded")
    return None


def _commit_with_retry(change: Callable[[Transaction], JobState | None]) -> JobState | None:
    """Commit a change of state, retrying while Postgres is unreachable."""

    def commit() -> JobState | None:
        with transaction() as ledger:
            return change(ledger)

    return patiently(commit, seconds=PATIENCE_FOR_RESULTS)
