"""A worker that is told to stop ends its jobs, but not for ever: then it gives them back.

Whoever stops it waits for so long and kills it then, and a job that is killed counts as crashed.
"""

import os
import signal
from threading import Timer
from typing import Any

from celery import signals

from services.common.settings import settings

_WARM = "Warm"


def bound_stopping() -> None:
    """Have the worker that this process may become give its jobs back when they take too long to end."""
    signals.worker_shutting_down.connect(_lose_patience)


def _lose_patience(how: str, **_: Any) -> None:
    """Have QUIT follow TERM: it ends what still runs, and each job goes back to the queue."""
    if how != _WARM:
        return
    timer = Timer(settings().stop_patience.total_seconds(), os.kill, (os.getpid(), signal.SIGQUIT))
    timer.daemon = True
    timer.start()
