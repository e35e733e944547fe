"""Does one job and is killed at a given point of it: run as `python crash_program.py JOB POINT`."""

import os
import signal
import sys

from sqlalchemy.orm import Session

from spikemill.services.common.ledger.jobs import Claim, Result
from spikemill.services.common.worker.app import create_app
from spikemill.services.common.worker.runner import NETWORK_RETRIES, Heartbeat, run_job
from tests.integration import ledgers

app = create_app()


@app.task(name="spikemill.crash", **NETWORK_RETRIES)
def crash(task: object, job_id: int, point: str) -> None:
    """Do a job whose parts say where they are."""

    def reach(here: str) -> None:
        if here == point:
            os.kill(os.getpid(), signal.SIGKILL)

    def handler(claim: Claim, _heartbeat: Heartbeat) -> Result:
        reach("working")
        made_up = ledgers.result_of(claim)

        def record(session: Session) -> None:
            made_up.record(session)
            session.flush()
            reach("recording")

        return Result({"by": "the first"}, record, afterwards=lambda: reach("recorded"))

    run_job(task, job_id, handler)


crash(int(sys.argv[1]), sys.argv[2])
