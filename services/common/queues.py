"""The names that go over the wire: queues and tasks."""

from enum import StrEnum

from services.common.models.work import JobKind


class Queue(StrEnum):
    """A long class of work never stands before a short one."""

    PLAN = "plan"
    FETCH = "fetch"
    BIN = "bin"
    BIN_STREAM = "bin-stream"
    MERGE = "merge"


QUEUE_OF_KIND = {
    JobKind.PLAN: Queue.PLAN,
    JobKind.FETCH: Queue.FETCH,
    JobKind.BIN: Queue.BIN,
    JobKind.STREAM: Queue.BIN_STREAM,
    JobKind.FREEZE: Queue.MERGE,
    JobKind.SHARD: Queue.MERGE,
    JobKind.ASSEMBLE: Queue.MERGE,
    JobKind.PUBLISH: Queue.MERGE,
}


def task_name(kind: JobKind) -> str:
    """Return the Celery task that runs jobs of a kind: explicit, so that modules can move."""
    return f"spikemill.{kind.value}"


def kinds_of(queue: Queue) -> list[JobKind]:
    """Return the kinds of jobs that a queue carries."""
    return [kind for kind, name in QUEUE_OF_KIND.items() if name is queue]
