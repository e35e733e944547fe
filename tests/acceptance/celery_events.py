"""What Celery tells of its tasks while they run, heard on the broker."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery
from celery.events.state import State

from tests.acceptance.processes import eventually

_SILENCE = 0.5


class Hearing(threading.Thread):
    """Listens on a thread of its own; each event of a task tells in `state` what the task then was."""

    def __init__(self, broker_url: str) -> None:
        """Prepare to listen at a broker."""
        super().__init__(name="hearing")
        self._broker_url = broker_url
        self._state = State()
        self._ended = threading.Event()
        self.events: list[dict[str, Any]] = []

    def run(self) -> None:
        """Listen until the end."""
        with Celery(broker=self._broker_url) as app, app.connection() as connection:
            receiver = app.events.Receiver(connection, handlers={"*": self._note})
            while not self._ended.is_set():
                try:
                    receiver.capture(limit=None, timeout=_SILENCE, wakeup=False)
                except TimeoutError:
                    continue

    def end(self) -> None:
        """Stop listening."""
        self._ended.set()

    def of(self, task: str) -> list[dict[str, Any]]:
        """Return the events of one task, oldest first."""
        return [event for event in self.events if event.get("uuid") == task]

    def tasks(self, name: str, job: int) -> set[str]:
        """Return the tasks that were received for a job."""
        return {
            event["uuid"]
            for event in self.events
            if event["type"] == "task-received"
            and event["name"] == name
            and event["args"].endswith(f" · job {job}")
        }

    def _note(self, event: dict[str, Any]) -> None:
        self._state.event(dict(event))
        task = self._state.tasks.get(event.get("uuid"))
        self.events.append({**event, "state": task and task.state})


@contextmanager
def heard(broker_url: str) -> Iterator[Hearing]:
    """Listen beside the block, which begins when something has been heard: workers always send heartbeats."""
    hearing = Hearing(broker_url)
    hearing.start()
    try:
        eventually(lambda: hearing.events)
        yield hearing
    finally:
        hearing.end()
        hearing.join()
