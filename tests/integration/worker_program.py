"""A Celery worker whose jobs fail as they are told to: `celery_workers` runs it."""

import os
import signal
from functools import partial

from celery import Task

from spikemill.services.common.database import transaction
from spikemill.services.common.errors import NetworkError
from spikemill.services.common.ledger import recordings
from spikemill.services.common.ledger.jobs import Claim, Result
from spikemill.services.common.models import JobKind, SourceVersion
from spikemill.services.common.worker.kinds import task_name
from spikemill.services.common.worker.runner import NETWORK_RETRIES, Heartbeat, run_job
from spikemill.services.common.worker.signals import worker_app
from tests.integration import ledgers

app = worker_app("tests.integration.worker_program")
_SECRETS = """postgresql://me:{password}@host/name does not know {password}
https://storage/blob?X-Amz-Signature=0a1b2c asked for with {{'Authorization': 'Bearer hf_abcdefghijkl'}}"""


@app.task(name=task_name(JobKind.PLAN), **NETWORK_RETRIES)
def plan(task: Task, job_id: int) -> str:
    """Seal a source, or fail as its name says, as often as its version says."""
    return run_job(task, job_id, _plan)


def _plan(claim: Claim, _heartbeat: Heartbeat) -> Result:
    with transaction() as ledger:
        source = ledger.get_one(SourceVersion, claim.subject)
    if claim.attempt <= source.config["failures"]:
        _fail(source.name)
    sessions = ledgers.listing(source.name, 1)
    return Result({}, partial(recordings.seal_source, source_version_id=source.id, sessions=sessions))


def _fail(how: str) -> None:
    match how:
        case "network":
            raise NetworkError("Away.")
        case "memory":
            raise MemoryError("Unable to allocate 3 GiB.")
        case "defect":
            raise ZeroDivisionError
        case "hungry":
            bytearray(2**40)
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "broken":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "held":
            signal.pause()
        case "indiscreet":
            raise LookupError(_SECRETS.format(password=os.environ["SPIKEMILL_READER_PASSWORD"]))
