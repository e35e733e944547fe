"""Runs one job of a task: claim, heartbeat, work, record; only a network failure leaves it."""

import logging
import time
from collections.abc import Callable, Mapping
from contextvars import copy_context
from dataclasses import asdict
from functools import partial
from threading import Event, Thread
from types import TracebackType
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
from spikemill.services.common.ledger.jobs import Claim, Result, heartbeat
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
    """Renews a lease from a thread of its own, with a connection of its own."""

    def __init__(self, claim: Claim) -> None:
        """Prepare to keep the claim alive; entering the context starts the thread."""
        self._claim = claim
        self._stop = Event()
        self._lost = Event()
        # What it logs is about the same job.
        run = copy_context().run
        self._thread = Thread(target=run, args=(self._beat,), name=f"heartbeat-{claim.job}", daemon=True)

    def __enter__(self) -> Self:
        """Start to beat."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop to beat, and wait for the last one to land."""
        self._stop.set()
        self._thread.join()

    def check(self) -> None:
        """Raise SupersededError when the job is no longer ours: long work asks now and then."""
        if self._lost.is_set():
            raise SupersededError(f"Job {self._claim.job} was withdrawn.")

    def _beat(self) -> None:
        while not self._stop.wait(settings().heartbeat.total_seconds()):
            try:
                with transaction() as ledger:
                    is_ours = heartbeat(ledger, self._claim)
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
    """Do one job, if it is still to be done; return how it ended, for whoever watches Celery.

    Raises NetworkError, and nothing else, so that Celery sends the message again after its short backoff.
    """
    claimed = _claim(job_id)
    if claimed is None:
        return "not to be done now"
    claim, names = claimed
    with log_about({**asdict(names), **_facts(claim)}):
        return _work(task, claim, handler)


def _facts(claim: Claim) -> Mapping[str, object]:
    """Return what every line of the log says of a job while it is done, beside its names."""
    return {"job": claim.job, "kind": claim.kind.value, "attempt": claim.attempt}


def _work(task: Task, claim: Claim, handler: Handler) -> str:
    """Do a claimed job, and tell the ledger and the caller how it ended."""
    started = time.monotonic()
    try:
        with Heartbeat(claim) as heartbeat:
            result = handler(claim, heartbeat)
            _commit_with_retry(partial(jobs.finish, claim=claim, result=result))
        _log.info("done in %.1f s", time.monotonic() - started)
        result.afterwards()
    except SupersededError as superseded:
        _log.info("%s", superseded)
        _try_commit(partial(jobs.handle_superseded, claim=claim, error=superseded))
        return f"superseded: {readable(superseded)}"
    except NetworkError as error:
        return _after_network_failure(task, claim, error)
    except (SystemExit, KeyboardInterrupt):
        _after_stop(claim, time.monotonic() - started)
        raise
    except Exception as error:
        return _fail(claim, error)
    return "done"


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


def _commit_with_retry(change: Callable[[Transaction], JobState | None]) -> JobState | None:
    """Commit a change of state, retrying while Postgres is unreachable."""

    def once() -> JobState | None:
        with transaction() as ledger:
            return change(ledger)

    return patiently(once, seconds=PATIENCE_FOR_RESULTS)


def _try_commit(change: Callable[[Transaction], JobState | None]) -> JobState | None:
    """Make a change of state if it can be made; what cannot be recorded ends with the job's lease."""
    try:
        return _commit_with_retry(change)
    except SupersededError as superseded:
        _log.info("%s", superseded)
    except Exception:
        _log.exception("the ledger could not be told")
    return None


def _after_network_failure(task: Task, claim: Claim, error: NetworkError) -> str:
    """Let Celery retry soon, while the job's short tries last; then the ledger says when."""
    backoff = min(_LONGEST_BACKOFF, _BACKOFF * 2**task.request.retries)
    # By the ledger's count too: a message that comes after a long wait brings no new short tries.
    tries = max(task.request.retries, claim.failures)
    is_short = tries < _SHORT_TRIES and (error.retry_after or 0) <= 0
    if not is_short:
        return _fail(claim, error)
    state = _try_commit(partial(jobs.retry_soon, claim=claim, error=error, within=backoff + _MARGIN))
    if state is JobState.READY:
        _log.warning("%s", readable(error))
        raise error
    return f"failed: {readable(error)}"


def _fail(claim: Claim, error: Exception) -> str:
    # What we say ourselves says all; of a defect the place is worth knowing.
    trace = None if isinstance(error, SpikemillError) else error
    _log.warning("%s", readable(error), exc_info=trace)
    _try_commit(partial(jobs.fail, claim=claim, error=error))
    return f"failed: {readable(error)}"


def _after_stop(claim: Claim, seconds: float) -> None:
    """Give the job back; the hard time limit looks the same, and counts as a failure."""
    if seconds >= TIME_LIMIT:
        _fail(claim, TimeoutError("It ran past the time limit."))
    else:
        _try_commit(partial(jobs.release, claim=claim))
