"""The binner's jobs: one session, from its copies or from its archive, to a chunk in the store."""

from celery import Task

from spikemill.services.binner.readers import load_readers
from spikemill.services.binner.session import bin_copied_session, bin_streamed_session
from spikemill.services.common.ledger.jobs import Claim, Result
from spikemill.services.common.models import JobKind
from spikemill.services.common.worker.kinds import task_name
from spikemill.services.common.worker.runner import NETWORK_RETRIES, Heartbeat, run_job
from spikemill.services.common.worker.signals import worker_app

load_readers()
app = worker_app("spikemill.services.binner.tasks")


@app.task(name=task_name(JobKind.BIN), **NETWORK_RETRIES)
def count(task: Task, job_id: int) -> str:
    """Bin one session that was copied."""
    return run_job(task, job_id, _bin_session)


@app.task(name=task_name(JobKind.STREAM), **NETWORK_RETRIES)
def stream(task: Task, job_id: int) -> str:
    """Bin one session while it is streamed."""
    return run_job(task, job_id, _bin_session)


def _bin_session(claim: Claim, heartbeat: Heartbeat) -> Result:
    """Bin a session on the way that its job has by now: a message may be older than that."""
    if claim.kind is JobKind.STREAM:
        return bin_streamed_session(claim, heartbeat)
    return bin_copied_session(claim)
