"""What a Celery worker does around its jobs: logs, heartbeat, store check, memory limit, shutdown."""

import gc
import logging
import os
import re
import resource
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from threading import Timer
from typing import Any

from billiard.exceptions import WorkerLostError
from celery import Celery, signals

from spikemill.services.common.database import engine, transaction
from spikemill.services.common.errors import SpikemillError, readable
from spikemill.services.common.ledger.dispatch import expire_owner
from spikemill.services.common.logs import configure_logging
from spikemill.services.common.settings import settings
from spikemill.services.common.store import close_store
from spikemill.services.common.store.ownership import require_store
from spikemill.services.common.worker.app import create_app
from spikemill.services.common.worker.kinds import Queue, kinds_of
from spikemill.services.common.worker.process import HeartbeatFile, OomKills, process_exit_of

_log = logging.getLogger(__name__)
# The kernel shall pick a worker before it picks Postgres.
_OOM_SCORE = "800"
_oom_kills = OomKills()
# Celery says it in words: "Worker exited prematurely: signal 9 (SIGKILL) Job: 3."
_STATUS = re.compile(r"(?P<what>signal|exitcode) (?P<number>\d+)")
_WRONG_STORE = 2
_WARM = "Warm"


def worker_app(tasks: str) -> Celery:
    """Make the application of a service's workers, with the tasks of the given module."""
    write_heartbeat_file()
    look_before_start()
    enforce_shutdown_timeout()
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
    """Return the exit status that Celery tells of a process, negative for a signal."""
    told = _STATUS.search(text)
    if told is None:
        return None
    number = int(told["number"])
    return -number if told["what"] == "signal" else number


def look_before_start() -> None:
    """Let a worker end with one line where its store is wrong, as by its credentials or its ledger."""
    signals.worker_init.connect(_look)


def _look(**_: Any) -> None:
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


def enforce_shutdown_timeout() -> None:
    """Have the worker that this process may become give its jobs back when they take too long to end."""
    signals.worker_shutting_down.connect(_send_sigquit)


def _send_sigquit(how: str, **_: Any) -> None:
    """Send SIGQUIT after `stop_patience`: what still runs ends, and each job is requeued."""
    if how != _WARM:
        return
    timer = Timer(settings().stop_patience.total_seconds(), os.kill, (os.getpid(), signal.SIGQUIT))
    timer.daemon = True
    timer.start()


class _WorkerHeartbeat:
    """The pulse of the worker that this is the main process of."""

    def __init__(self) -> None:
        self._worker: Any = None
        self._file: HeartbeatFile | None = None

    def begin(self, worker: Any) -> None:
        """Note the pulse of this worker, where a file is named for it."""
        self._worker = worker
        path = settings().pulse
        self._file = HeartbeatFile(path) if path else None

    def beat(self) -> None:
        """Note that the main process moves."""
        if self._file is not None:
            self._file.beat(self._worker.pool.info["processes"], self._kinds())

    def _kinds(self) -> Sequence[str]:
        queues = self._worker.app.amqp.queues.consume_from
        return [kind for name in queues for kind in kinds_of(Queue(name))]


_pulse = _WorkerHeartbeat()


def write_heartbeat_file() -> None:
    """Have the worker that this process may become note its pulse."""
    signals.celeryd_after_setup.connect(_begin)
    signals.heartbeat_sent.connect(_beat)


def _begin(instance: Any, **_: Any) -> None:
    _pulse.begin(instance)


def _beat(**_: Any) -> None:
    _pulse.beat()
