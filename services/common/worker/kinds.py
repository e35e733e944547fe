"""The queues, the jobs that each carries, and the kinds of workers that serve them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from spikemill.services.common.models import JobKind

# A row takes Arrow hundreds of megabytes for a moment; this pool returns them to the system.
_ARROW_GIVES_BACK = {"ARROW_DEFAULT_MEMORY_POOL": "jemalloc"}


class Queue(StrEnum):
    """One queue for each class of work, so that a long one never stands before a short one."""

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


@dataclass(frozen=True, slots=True)
class WorkerKind:
    """Workers of one service: which queues they serve, with how many processes."""

    name: str
    service: str
    queues: Sequence[Queue]
    processes: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)

    def arguments(self, *, host: str, processes: int) -> list[str]:
        """Return what `python -m` runs such a worker with, under the name of a host."""
        return ["spikemill.services.common.worker", self.name, f"--host={host}", f"--processes={processes}"]


# Fetching mostly waits for the network; a streamer is a binner that reads its sources where they lie.
DOWNLOADER = WorkerKind("downloader", "downloader", (Queue.PLAN, Queue.FETCH), processes=4)
BINNER = WorkerKind("binner", "binner", (Queue.BIN,), environment=_ARROW_GIVES_BACK)
STREAMER = WorkerKind("streamer", "binner", (Queue.BIN_STREAM,), environment=_ARROW_GIVES_BACK)
MERGER = WorkerKind("merger", "merger", (Queue.MERGE,))
WORKER_KINDS = {kind.name: kind for kind in (DOWNLOADER, BINNER, STREAMER, MERGER)}
