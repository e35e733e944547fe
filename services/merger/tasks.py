"""The merger's jobs: freeze a release, write a shard, assemble the pile, push it to the hub."""

from dataclasses import asdict
from functools import lru_cache, partial

from celery import Task

from spikemill.services.common.database import transaction
from spikemill.services.common.errors import DamagedOutputError, SupersededError
from spikemill.services.common.ledger import build_queries, pushes, release_queries, releases, repair
from spikemill.services.common.ledger.jobs import Claim, Result
from spikemill.services.common.models import JobKind
from spikemill.services.common.store import Store, open_store
from spikemill.services.common.worker.kinds import task_name
from spikemill.services.common.worker.runner import NETWORK_RETRIES, Heartbeat, run_job
from spikemill.services.common.worker.signals import worker_app
from spikemill.services.merger.assembly import (
    DamagedShardError,
    audit_release,
    write_metadata,
)
from spikemill.services.merger.plan import card_texts, freeze_rows
from spikemill.services.merger.provenance import DamagedFileError, pile_file, provenance_of
from spikemill.services.merger.shards import ChunkStore, DamagedChunkError, write_shard

app = worker_app("spikemill.services.merger.tasks")


@app.task(name=task_name(JobKind.FREEZE), **NETWORK_RETRIES)
def freeze(task: Task, job_id: int) -> str:
    """Order, split and plan the rows of a release."""
    return run_job(task, job_id, _freeze_release)


@app.task(name=task_name(JobKind.SHARD), **NETWORK_RETRIES)
def shard(task: Task, job_id: int) -> str:
    """Write one shard."""
    return run_job(task, job_id, _write_shard)


@app.task(name=task_name(JobKind.ASSEMBLE), **NETWORK_RETRIES)
def assemble(task: Task, job_id: int) -> str:
    """Audit a release, write provenance and card, and switch the pile to it."""
    return run_job(task, job_id, _assemble_release)


@app.task(name=task_name(JobKind.PUBLISH), **NETWORK_RETRIES)
def publish(task: Task, job_id: int) -> str:
    """Push a published release to the hub."""
    return run_job(task, job_id, _push_release)


def _freeze_release(claim: Claim, _heartbeat: Heartbeat) -> Result:
    with transaction() as ledger:
        release, build = release_queries.release_of(ledger, claim.subject)
        rows = release_queries.rows_of(ledger, build.id)
        missing = build_queries.left_out_of(ledger, build.id)
        texts = card_texts(build, release_queries.sources_of(ledger, build.id))
    frozen = freeze_rows(build.digest, release.parameters, rows, missing, texts)
    return Result(
        output={"rows": len(rows), "shards": len(frozen.shards)},
        record=partial(releases.freeze, release_id=release.id, frozen=frozen),
    )


def _write_shard(claim: Claim, _heartbeat: Heartbeat) -> Result:
    with transaction() as ledger:
        stored, planned = release_queries.shard_rows(ledger, claim.subject)
        release, _ = release_queries.release_of(ledger, stored.release_id)
    store = open_store()
    with store.draft(f"{claim.job}.{claim.attempt}") as drafts:
        draft = drafts / "shard.parquet"
        try:
            written = write_shard(planned, _chunks(store), draft)
        except DamagedChunkError as error:
            # This shard is part of no release once its session is binned again.
            with transaction() as ledger:
                session = release_queries.session_with_chunk(ledger, error.chunk)
                if session is not None:
                    repair.reopen_session(ledger, session, str(error))
            raise SupersededError(str(error)) from error
        name = pile_file(release.digest or "", planned.name)
        store.publish(draft, name, sha256=written.sha256, size=written.bytes)
    return Result(
        output={"rows": written.rows, "tokens": written.tokens, "bytes": written.bytes},
        record=partial(
            releases.record_shard, shard_id=claim.subject, size=written.bytes, sha256=written.sha256
        ),
    )


@lru_cache(maxsize=1)
def _chunks(store: Store) -> ChunkStore:
    """One per process: it remembers which chunks it has verified."""
    return ChunkStore(store)


def _assemble_release(claim: Claim, heartbeat: Heartbeat) -> Result:
    with transaction() as ledger:
        release, build = release_queries.release_of(ledger, claim.subject)
        sessions = release_queries.sessions_of(ledger, release.id)
        shards = release_queries.shards_of(ledger, release.id)
        planned = [release_queries.shard_rows(ledger, each.id) for each in shards]
    store = open_store()
    release_digest = release.digest or ""
    try:
        for _ in audit_release(store, release_digest, planned, sessions):
            heartbeat.check()
    except DamagedShardError as error:
        with transaction() as ledger:
            repair.reopen_shard(ledger, error.shard, str(error))
        raise SupersededError(str(error)) from error
    with store.draft(f"{claim.job}.{claim.attempt}") as drafts:
        provenance = provenance_of(release, build, sessions, shards)
        provenance_sha256 = write_metadata(store, drafts, release_digest, provenance)
    with transaction() as ledger:
        if not releases.is_in_progress(ledger, release.id):
            raise SupersededError(f"Release {release_digest} is no longer the wanted one.")
        store.switch_pile(release_digest)
    return Result(
        output={"release": release_digest},
        record=partial(pushes.publish_release, release_id=release.id, provenance_sha256=provenance_sha256),
    )


def _push_release(claim: Claim, heartbeat: Heartbeat) -> Result:
    with transaction() as ledger:
        release, _ = release_queries.release_of(ledger, claim.subject)
        target = pushes.target_of(release)
    if target is None:
        raise SupersededError(f"The push of release {release.digest} was cancelled.")
    # Most workers never push, and the hub's client takes a while to load.
    from spikemill.services.merger.pushing import push_release  # noqa: PLC0415

    try:
        pushed = push_release(open_store(), release, target, heartbeat)
    except DamagedOutputError as error:
        # Made again first; the push comes after that.
        damaged = error.name if isinstance(error, DamagedFileError) else None
        with transaction() as ledger:
            shards = release_queries.shards_of(ledger, release.id)
            lost = [shard.id for shard in shards if shard.name == damaged]
            repair.reopen_while_pushed(ledger, release.id, lost, str(error))
        raise SupersededError(str(error)) from error
    return Result(
        output=asdict(pushed),
        record=partial(pushes.record_push, release_id=release.id, target=target, commit=pushed.commit),
    )
