"""What a Celery worker does around its jobs: logs, a memory limit, and word of a process that vanished."""

import logging
import resource
from pathlib import Path
from typing import Any

from billiard.exceptions import WorkerLostError
from celery import Celery, signals

from services.common.celery import create_app
from services.common.database import transaction
from services.common.ledger.sweep import expire_owner
from services.common.log import configure_logging
from services.common.settings import settings

_log = logging.getLogger(__name__)
# The kernel shall pick a worker before it picks Postgres.
_OOM_SCORE = "800"


def worker_app(tasks: str) -> Celery:
    """Make the application of a service's workers, with the tasks of the given module."""
    return create_app(tasks)


@signals.setup_logging.connect
def _log_plainly(**_: Any) -> None:
    configure_logging()
    logging.getLogger("celery").setLevel(logging.INFO)


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
    try:
        with transaction() as ledger:
            expire_owner(ledger, args[0])
    except Exception:
        _log.exception("job %s vanished; its lease will end by itself", args[0])
