"""What a Celery worker does around its jobs: logs, store check, heartbeat, memory, lost jobs, shutdown."""

import gc
import logging
import os
import re
import resource
import signal
import sys
from pathlib import Path
from threading import Timer
from typing import Any

from billiard.exceptions import WorkerLostError
from celery import Celery, signals

from spikemill.services.common.database import engine, transaction
from spikemill.services.common.errors import SpikemillError, readable
from spikemill.services.common.ledger.dispatch import expire_owner
from spikemill.services.common.logs import configure_logging
from spikemill.services.common.process import HeartbeatFile, OomKills, process_exit_of
from spikemill.services.common.settings import settings
from spikemill.services.common.store import close_store
from spikemill.services.common.store.ownership import require_store
from spikemill.services.common.worker.app import create_app
from spikemill.services.common.worker.kinds import Queue, kinds_of

_log = logging.getLogger(__name__)
# So that the kernel, short of memory, kills a worker and not Postgres.
_OOM_SCORE = "800"
_oom_kills = OomKills()
# Celery says it in words: "Worker exited prematurely: signal 9 (SIGKILL) Job: 3."
_STATUS = re.compile(r"(?P<what>signal|exitcode) (?P<number>\d+)")
_WRONG_STORE = 2


def worker_app(tasks: str) -> Celery:
    """Make the application of a service's workers, with the tasks of the given module.

    Importing this module has connected the functions below, in the order in which Celery calls them.
    """
    return create_app(tasks)


@signals.celeryd_init.connect
def _log_from_the_start(instance: Any, **_: Any) -> None:
    """Configure logging first, and suppress Celery's banner."""
    configure_logging()
    logging.getLogger("celery").setLevel(logging.INFO)
    instance.quiet = True


@signals.setup_logging.connect
def _keep_logging(**_: Any) -> None:
    """Have Celery leave the logging as it is."""


@signals.worker_init.connect
def _check_store(**_: Any) -> None:
    """End with one line where the store is wrong, as by its credentials or its ledger."""
    if settings().store is None:
        return
    configure_logging()
    try:
        require_store()
    except SpikemillError as error:
        _log.critical("%s", readable(error))
        sys.exit(_WRONG_STORE)
    finally:
        # Nothing that is connected may be forked.
        close_store()
        engine().dispose()


@signals.celeryd_after_setup.connect
def _share_memory(**_: Any) -> None:
    """Keep what is loaded shared with the processes that do the jobs: the collector would copy each page."""
    gc.freeze()


@signals.celeryd_after_setup.connect
def _write_heartbeats(instance: Any, **_: Any) -> None:
    """Note each heartbeat that the main process sends from now on."""
    file = HeartbeatFile(settings().heartbeat_file)

    def write(**_: Any) -> None:
        queues = instance.app.amqp.queues.consume_from
        kinds = [kind for name in queues for kind in kinds_of(Queue(name))]
        file.write(instance.pool.info["processes"], kinds)

    signals.heartbeat_sent.connect(write, weak=False)


@signals.worker_process_init.connect
def _limit_memory(**_: Any) -> None:
    """Where a limit is set, have a job that exceeds it fail with MemoryError instead of being killed."""
    oom_score = Path("/proc/self/oom_score_adj")
    if oom_score.exists():
        oom_score.write_text(_OOM_SCORE)
    limit = settings().worker_memory_bytes
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


@signals.task_failure.connect
def _expire_lost_worker(exception: BaseException | None = None, args: Any = None, **_: Any) -> None:
    """Tell the ledger at once that a job's process was killed: its lease would take minutes to end."""
    if not isinstance(exception, WorkerLostError) or not args:
        return
    status = _status_in(str(exception))
    end = process_exit_of(status, out_of_memory=status == -signal.SIGKILL and _oom_kills.one_more())
    try:
        with transaction() as ledger:
            expire_owner(ledger, args[0], end)
    except Exception:
        _log.exception("job %s vanished; its lease will end by itself", args[0])


def _status_in(text: str) -> int | None:
    found = _STATUS.search(text)
    if found is None:
        return None
    return -int(found["number"]) if found["what"] == "signal" else int(found["number"])


@signals.worker_shutting_down.connect
def _enforce_shutdown_timeout(how: str, **_: Any) -> None:
    """Send SIGQUIT after `stop_patience`: jobs that still run end, and are requeued."""
    if how != "Warm":
        return
    timer = Timer(settings().stop_patience.total_seconds(), os.kill, (os.getpid(), signal.SIGQUIT))
    timer.daemon = True
    timer.start()
