"""The downloader's jobs: plan a source, fetch an asset."""

from functools import partial

from celery import Task

from spikemill.services.common.archives import dandi_client as _dandi  # noqa: F401
from spikemill.services.common.archives import open_archive
from spikemill.services.common.catalog import source_from_record
from spikemill.services.common.database import transaction
from spikemill.services.common.ledger import recordings
from spikemill.services.common.ledger.jobs import Claim, Result
from spikemill.services.common.ledger.recordings import TransferMeter
from spikemill.services.common.models import JobKind
from spikemill.services.common.rate_limit import LedgerRateLimiter
from spikemill.services.common.store.spool import open_spool, sweep_staging
from spikemill.services.common.worker.kinds import task_name
from spikemill.services.common.worker.runner import NETWORK_RETRIES, Heartbeat, run_job
from spikemill.services.common.worker.signals import worker_app
from spikemill.services.downloader.download import fetch_asset
from spikemill.services.downloader.selection import select_sessions

app = worker_app("spikemill.services.downloader.tasks")


@app.task(name=task_name(JobKind.PLAN), **NETWORK_RETRIES)
def plan(task: Task, job_id: int) -> str:
    """List a source and seal it."""
    return run_job(task, job_id, _plan_source)


@app.task(name=task_name(JobKind.FETCH), **NETWORK_RETRIES)
def fetch(task: Task, job_id: int) -> str:
    """Copy one asset and verify it."""
    return run_job(task, job_id, _fetch_asset)


def _plan_source(claim: Claim, _heartbeat: Heartbeat) -> Result:
    with transaction() as ledger:
        source = recordings.require_open_source(ledger, claim.subject)
    entry = source_from_record(source.config)
    archive = open_archive(entry, LedgerRateLimiter())
    sessions = select_sessions(archive.assets(), entry)
    return Result(
        output={"sessions": len(sessions)},
        record=partial(recordings.seal_source, source_version_id=source.id, sessions=sessions),
    )


def _fetch_asset(claim: Claim, heartbeat: Heartbeat) -> Result:
    with transaction() as ledger:
        asset = recordings.read_asset(ledger, claim.subject)
    sweep_staging()
    spool, identity = open_spool(), asset.session.identity
    meter = TransferMeter(heartbeat.check)
    try:
        verified = fetch_asset(
            open_archive(source_from_record(asset.session.source_version.config), LedgerRateLimiter()),
            recordings.as_listed(asset),
            spool.staging_dir(identity),
            limiter=LedgerRateLimiter(),
            progress=meter.add,
        )
    finally:
        meter.flush(asset.id)
    sha256, local_path = verified.digests["sha256"], str(verified.path)
    if verified.is_copy:
        local_path = spool.publish(identity, verified.path, sha256=sha256, size=asset.size)

    def discard_local() -> None:
        if verified.is_copy:
            spool.discard_local(verified.path)

    return Result(
        output={"bytes": asset.size, "verified by": verified.how},
        record=partial(
            recordings.record_copy,
            asset_id=asset.id,
            local_path=local_path,
            sha256=sha256,
            verified_by=verified.how,
        ),
        afterwards=discard_local,
    )
