"""The downloader's jobs: plan a source, fetch an asset."""

from functools import partial

from celery import Task

from spikemill.services.common.archives import dandi_client as _dandi  # noqa: F401
from spikemill.services.common.archives import open_archive
from spikemill.services.common.catalog import Source, source_from_record
from spikemill.services.common.database import transaction
from spikemill.services.common.ledger import recordings
from spikemill.services.common.ledger.jobs import Claim, Result
from spikemill.services.common.ledger.recordings import TransferMeter
from spikemill.services.common.models import JobKind, SourceVersion
from spikemill.services.common.rate_limit import LedgerPacer
from spikemill.services.common.store.spool import Spool, open_spool, sweep_staging
from spikemill.services.common.worker.kinds import task_name
from spikemill.services.common.worker.runner import NETWORK_RETRIES, Heartbeat, run_job
from spikemill.services.common.worker.signals import worker_app
from spikemill.services.downloader.download import Verified, fetch_asset
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
    entry = _entry_of(source)
    archive = open_archive(entry, LedgerPacer())
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
            open_archive(_entry_of(asset.session.source_version), LedgerPacer()),
            recordings.as_listed(asset),
            spool.staging_dir(identity),
            pacer=LedgerPacer(),
            progress=meter.add,
        )
    finally:
        meter.flush(asset.id)
    return Result(
        output={"bytes": verified.size, "verified by": verified.how},
        record=partial(
            recordings.record_copy,
            asset_id=asset.id,
            local_path=_published(spool, identity, verified),
            sha256=verified.digests["sha256"],
            verified_by=verified.how,
        ),
        afterwards=partial(_discard_local, spool, verified),
    )


def _published(spool: Spool, identity: str, verified: Verified) -> str:
    """Return where binners find the file; one that is no copy is read in place."""
    if not verified.is_copy:
        return str(verified.path)
    return spool.publish(identity, verified.path, sha256=verified.digests["sha256"], size=verified.size)


def _discard_local(spool: Spool, verified: Verified) -> None:
    if verified.is_copy:
        spool.discard_local(verified.path)


def _entry_of(source: SourceVersion) -> Source:
    return source_from_record(source.config)
