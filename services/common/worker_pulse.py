"""Notes that a Celery worker's main process moves: whenever it is about to send its heartbeat to the broker.

A main process that is stopped, that waits for a broker which does not answer, or that looks for one which is
away, sends none.
"""

from collections.abc import Sequence
from typing import Any

from celery import signals

from services.common.pulse import PulseFile
from services.common.queues import Queue, kinds_of
from services.common.settings import settings


class _WorkerPulse:
    """The pulse of the worker that this is the main process of."""

    def __init__(self) -> None:
        self._worker: Any = None
        self._file: PulseFile | None = None

    def begin(self, worker: Any) -> None:
        """Note the pulse of this worker, where a file is named for it."""
        self._worker = worker
        path = settings().pulse
        self._file = PulseFile(path) if path else None

    def beat(self) -> None:
        """Note that the main process moves."""
        if self._file is not None:
            self._file.beat(self._worker.pool.info["processes"], self._kinds())

    def _kinds(self) -> Sequence[str]:
        queues = self._worker.app.amqp.queues.consume_from
        return [kind for name in queues for kind in kinds_of(Queue(name))]


_pulse = _WorkerPulse()


def note_pulse() -> None:
    """Have the worker that this process may become note its pulse."""
    signals.celeryd_after_setup.connect(_begin)
    signals.heartbeat_sent.connect(_beat)


def _begin(instance: Any, **_: Any) -> None:
    _pulse.begin(instance)


def _beat(**_: Any) -> None:
    _pulse.beat()
