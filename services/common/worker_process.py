"""What a Celery worker does around its jobs: logs, a pulse, a memory limit, word of what vanished."""

import gc
import logging
import re
import resource
import signal
from pathlib import Path
from typing import Any

from billiard.exceptions import WorkerLostError
from celery import Celery, signals

from services.common import worker_pulse, worker_store
from services.common.celery import create_app
from services.common.database import transaction
from services.common.ends import end_of
from services.common.ledger.sweep import expire_owner
from services.common.log import configure_logging
from services.common.oom_kills import OomKills
from services.common.settings import settings
from services.common.stopping import bound_stopping

_log = logging.getLogger(__name__)
# The kernel shall pick a worker before it picks Postgres.
_OOM_SCORE = "800"
_oom_kills = OomKills()
# Celery says it in words: "Worker exited prematurely: signal 9 (SIGKILL) Job: 3."
_STATUS = re.compile(r"(?P<what>signal|exitcode) (?P<number>\d+)")


def worker_app(tasks: str) -> Celery:
    """Make the application of a service's workers, with the tasks of the given module."""
    worker_pulse.note_pulse()
    worker_store.look_before_start()
    bound_stopping()
    return create_app(tasks)


@signals.celeryd_init.connect
def _log_from_the_start(instance: Any = None, **_: Any) -> None:
    """Log before Celery has anything to say, and leave out the picture that it begins with."""
    configure_logging()
    logging.getLogger("celery").setLevel(logging.INFO)
    instance.quiet = True


@signals.setup_logging.connect
def _keep_logging(**_: Any) -> None:
    """Have Celery leave the logging as it is."""


@signals.celeryd_after_setup.connect
def _share_memory(**_: Any) -> None:
    """Share what is loaded with the processes that do the jobs: a collector would copy every page of it."""
    gc.freeze()


@signals.worker_process_init.connect
def _limit_memory(**_: Any) -> None:
    """Turn a kill for memory into an error that names it, where a limit is set."""
    oom_score = Path("/proc/self/oom_score_adj")
    if oom_score.exists():
        oom_score.write_text(_OOM_SCORE)
    limit = settings().worker_memory_bytes
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


@signals.task_failure.connect
def _tell_of_vanished(exception: BaseException | None = None, args: Any = None, **_: Any) -> None:
    """Tell the ledger at once that a job's process was killed: its lease would take minutes to end."""
    if not isinstance(exception, WorkerLostError) or not args:
        return
    status = _status_in(str(exception))
    end = end_of(status, out_of_memory=status == -signal.SIGKILL and _oom_kills.one_more())
    try:
        with transaction() as ledger:
            expire_owner(ledger, args[0], end)
    except Exception:
        _log.exception("job %s vanished; its lease will end by itself", args[0])


def _status_in(text: str) -> int | None:
    """Return the exit status that Celery tells of a process, negative for a signal."""
    told = _STATUS.search(text)
    if told is None:
        return None
    number = int(told["number"])
    return -number if told["what"] == "signal" else number
