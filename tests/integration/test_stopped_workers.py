"""A worker that is told to stop: what takes too long goes back to the queue, and counts as nothing."""

import signal
from dataclasses import replace
from pathlib import Path

from celery import Celery

from spikemill.services.common.models import JobKind, JobState, Outcome
from spikemill.services.common.worker.kinds import task_name
from tests.integration import ledgers
from tests.integration.celery_workers import until, worker


def test_a_job_that_does_not_end_in_time_is_given_back(app: Celery, tmp_path: Path) -> None:
    ledgers.ask(sources=[replace(ledgers.source("held"), config={"failures": 9})])
    job = ledgers.only(JobKind.PLAN).id
    with worker(tmp_path / "log", SPIKEMILL_STOP_PATIENCE="PT1S") as process:
        app.send_task(task_name(JobKind.PLAN), args=[job], queue="plan")
        until(lambda: ledgers.job(job).state is JobState.RUNNING)
        process.send_signal(signal.SIGTERM)
        process.wait()
    given_back = ledgers.job(job)
    assert (given_back.state, given_back.crashes, given_back.failures) == (JobState.READY, 0, 0)
    assert ledgers.outcomes(job) == [Outcome.RELEASED]
