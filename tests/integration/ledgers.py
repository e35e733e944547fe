"""Builds a ledger by hand, for tests of the ledger's rules."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session as Transaction

from spikemill.services.common.database import transaction
from spikemill.services.common.hub_target import HubTarget
from spikemill.services.common.ledger import (
    build_queries,
    builds,
    pushes,
    recordings,
    release_queries,
    releases,
)
from spikemill.services.common.ledger import jobs as job_queries
from spikemill.services.common.ledger import sessions as session_queries
from spikemill.services.common.ledger.jobs import Claim, Result
from spikemill.services.common.ledger.locks import needed_by_open_build
from spikemill.services.common.models import (
    COUNTING,
    Asset,
    Attempt,
    Build,
    BuildState,
    Job,
    JobKind,
    JobState,
    Outcome,
    Release,
    Session,
    Shard,
    SourceVersion,
)
from spikemill.services.common.row_format import FORMAT_ID, row_groups
from spikemill.services.common.types import Asset as ListedAsset
from spikemill.services.common.types import BinnedSession, PlannedSession, PlannedShard, SessionRow, digest
from spikemill.services.sweeper.__main__ import STEPS

PARAMETERS: dict[str, Any] = {"seed": 0, "split_by": "session"}


def source(
    name: str,
    *,
    version: str = "1",
    format_id: str = FORMAT_ID,
    fetch: str = "copy",
    redistributable: bool = True,
) -> builds.SourceRequest:
    """Ask for a source."""
    return builds.SourceRequest(
        digest=digest([name, version]),
        name=name,
        archive="dandi",
        api="http://archive",
        config={"name": name, "fetch": fetch, "redistributable": redistributable},
        format_id=format_id,
        expected={},
    )


def ask(*names: str, fetch: str = "copy", **changes: Any) -> builds.OpenedBuild:
    """Ask for a build of the named sources, whose bytes come in one way."""
    request = {"pile": "pile", "notes": None, "parameters": PARAMETERS} | changes
    sources = request.pop("sources", None) or [source(name, fetch=fetch) for name in names]
    with transaction() as ledger:
        return builds.open_build(ledger, builds.BuildRequest(sources=sources, **request))


def listing(source_name: str, sessions: int, *, assets: int = 1, size: int = 100) -> list[PlannedSession]:
    """Make up a listing."""
    return [
        PlannedSession(
            key=f"sub-{number}/{source_name}-{number}.nwb",
            subject_id=f"sub-{number}",
            session_id=f"{source_name}-{number}",
            assets=[
                ListedAsset(f"{source_name}-{number}-{part}", f"sub-{number}/{part}.nwb", size)
                for part in range(assets)
            ],
        )
        for number in range(sessions)
    ]


def jobs(kind: JobKind, state: JobState | None = None) -> list[Job]:
    """Return the jobs of a kind, in a state if one is given, by their id."""
    query = select(Job).where(Job.kind == kind).order_by(Job.id)
    if state is not None:
        query = query.where(Job.state == state)
    with transaction() as ledger:
        return list(ledger.scalars(query))


def ready(kind: JobKind) -> list[Job]:
    """Return the jobs of a kind that may be claimed, but for their time."""
    with transaction() as ledger:
        return list(
            ledger.scalars(
                select(Job)
                .where(Job.kind == kind, Job.state == JobState.READY, needed_by_open_build())
                .order_by(Job.id)
            )
        )


def one_ready(kind: JobKind) -> Job:
    """Return the one job of a kind that may be claimed."""
    (found,) = ready(kind)
    return found


def job(job_id: int) -> Job:
    """Return a job as it stands."""
    with transaction() as ledger:
        return ledger.get_one(Job, job_id)


def claim(job_id: int) -> Claim:
    """Claim a job that must be free."""
    with transaction() as ledger:
        claimed = job_queries.claim(ledger, job_id)
    assert claimed is not None
    return claimed


def finish(claimed: Claim, result: Result | None = None) -> None:
    """Finish a claimed job."""
    with transaction() as ledger:
        job_queries.finish(ledger, claimed, result or Result({}, lambda _: None))


def fail(claimed: Claim, error: BaseException) -> JobState:
    """Fail a claimed job."""
    with transaction() as ledger:
        return job_queries.fail(ledger, claimed, error)


def plan(sessions: Sequence[PlannedSession], job_id: int | None = None) -> None:
    """Run the first plan job that is ready, or the given one."""
    claimed = claim(job_id or ready(JobKind.PLAN)[0].id)
    finish(claimed, Result({}, lambda session: recordings.seal_source(session, claimed.subject, sessions)))


def plan_of(source_name: str) -> int:
    """Return the job that plans a source."""
    query = select(Job.id).join(SourceVersion, SourceVersion.id == Job.source_version_id)
    with transaction() as ledger:
        return ledger.scalars(query.where(SourceVersion.name == source_name)).one()


def sweep_once(capacity: int = 10**12) -> None:
    """Do what a round of the sweeper does, but for sending."""
    for step in STEPS:
        with transaction() as ledger:
            step(ledger)
    with transaction() as ledger:
        session_queries.admit_sessions(ledger, capacity=capacity)


def fetched(claimed: Claim) -> Result:
    """Make up what a fetch came to."""

    def record(session: Transaction) -> None:
        recordings.record_copy(
            session, claimed.subject, local_path="/copy", sha256="0" * 64, verified_by="sha256"
        )

    return Result({}, record)


def fetch_one(job_id: int) -> None:
    """Run one fetch."""
    claimed = claim(job_id)
    finish(claimed, fetched(claimed))


def fetch_all() -> None:
    """Run all fetches that are ready."""
    for waiting in ready(JobKind.FETCH):
        fetch_one(waiting.id)


def facts(session_id: int) -> BinnedSession:
    """Make up what binning a session came to."""
    row = SessionRow(index=0, first_bin=0, bins=10, tokens=20, compressed_bytes=30)
    return BinnedSession(
        subject_id=f"sub-{session_id}",
        n_units=2,
        n_bins=10,
        spikes=5,
        clipped=0,
        left_out=0,
        chunk_sha256=f"{session_id:064x}",
        chunk_bytes=40,
        rows=[row],
    )


def chunk_of(session_id: int) -> str:
    """Make up where a session's chunk stands."""
    return f"chunks/x/{session_id}.parquet"


def binned(claimed: Claim, chunk: str | None = None, **changes: Any) -> Result:
    """Make up what a bin came to."""
    found, name = replace(facts(claimed.subject), **changes), chunk or chunk_of(claimed.subject)
    return Result({}, lambda session: recordings.record_counts(session, claimed.subject, name, found))


def bin_one(job_id: int) -> None:
    """Run one bin."""
    claimed = claim(job_id)
    finish(claimed, binned(claimed))


def bin_all() -> None:
    """Run all bins that are ready."""
    for waiting in ready(JobKind.BIN):
        bin_one(waiting.id)


def streamed(claimed: Claim, **changes: Any) -> Result:
    """Make up what a stream came to."""
    found = replace(facts(claimed.subject), **changes)

    def record(session: Transaction) -> None:
        parts = session.scalars(select(Asset.id).where(Asset.session_id == claimed.subject))
        recordings.record_streamed(session, dict.fromkeys(parts, "etag"))
        recordings.record_counts(session, claimed.subject, chunk_of(claimed.subject), found)

    return Result({}, record)


def stream_one(job_id: int) -> None:
    """Run one stream."""
    claimed = claim(job_id)
    finish(claimed, streamed(claimed))


def stream_all() -> None:
    """Run all streams that are ready."""
    for waiting in ready(JobKind.STREAM):
        stream_one(waiting.id)


def complete(capacity: int = 10**12) -> None:
    """Fetch and bin, or stream, whatever can be, until nothing is left."""
    for _ in range(50):
        sweep_once(capacity)
        if not ready(JobKind.FETCH) + ready(JobKind.BIN) + ready(JobKind.STREAM):
            return
        fetch_all()
        sweep_once(capacity)
        bin_all()
        stream_all()


def only(kind: JobKind, state: JobState | None = None) -> Job:
    """Return the one job of a kind that there is."""
    (found,) = jobs(kind, state)
    return found


def counting(state: JobState | None = None) -> list[Job]:
    """Return the jobs that count sessions, in whichever way, by their session."""
    found = [job for kind in COUNTING for job in jobs(kind, state)]
    return sorted(found, key=lambda job: job.session_id or 0)


def done_build(name: str = "a", sessions: int = 2, **changes: Any) -> builds.OpenedBuild:
    """Ask for a build of one source, and bring all its sessions to their end."""
    opened = ask(name, **changes)
    plan(listing(name, sessions))
    complete()
    return opened


def freeze(*, shards: int = 1) -> Claim:
    """Run the freeze that is ready, with the rows dealt out to some shards."""
    claimed = claim(one_ready(JobKind.FREEZE).id)
    finish(claimed, frozen(claimed, shards=shards))
    return claimed


def frozen(claimed: Claim, *, shards: int = 1) -> Result:
    """Make up what a freeze came to: the rows as they stand, dealt out to some shards."""
    with transaction() as ledger:
        release, build = release_queries.release_of(ledger, claimed.subject)
        rows = release_queries.rows_of(ledger, build.id)
        missing = [
            {"source": left.source, "path": left.file} for left in build_queries.left_out_of(ledger, build.id)
        ]
    found = releases.FrozenRelease(
        texts={},
        digest=digest([build.digest, release.parameters, [row.chunk_sha256 for row in rows], missing]),
        list_digest=digest([row.chunk_sha256 for row in rows]),
        split={"train": len(rows)},
        missing=missing,
        shards=[
            PlannedShard(f"data/train-{number:05d}.parquet", "train", tuple(row_groups(rows[number::shards])))
            for number in range(min(shards, len(rows)))
        ],
    )
    return Result({}, lambda session: releases.freeze(session, release.id, found))


def write_shards() -> None:
    """Run all shards that are ready."""
    for waiting in ready(JobKind.SHARD):
        claimed = claim(waiting.id)
        finish(claimed, shard_written(claimed))


def shard_written(claimed: Claim) -> Result:
    """Make up what a shard came to."""
    return Result(
        {}, lambda session: releases.record_shard(session, claimed.subject, size=9, sha256="9" * 64)
    )


def assemble() -> None:
    """Run the assembly that is ready."""
    claimed = claim(one_ready(JobKind.ASSEMBLE).id)
    finish(claimed, assembled(claimed))


def assembled(claimed: Claim) -> Result:
    """Make up what an assembly came to."""

    def record(session: Transaction) -> None:
        pushes.publish_release(session, claimed.subject, provenance_sha256="5" * 64)

    return Result({}, record)


def target(name: str = "lab/pile", **changes: Any) -> HubTarget:
    """Name a dataset of a made-up hub."""
    return HubTarget(**{"repository": name, "endpoint": "http://hub"} | changes)


def pushed(claimed: Claim, commit: str = "c" * 40) -> Result:
    """Make up what a push came to."""
    to = pushes.target_of(release(claimed.subject)) or target()

    def record(session: Transaction) -> None:
        pushes.record_push(session, claimed.subject, target=to, commit=commit)

    return Result({"commit": commit}, record)


def push(commit: str = "c" * 40) -> None:
    """Run the push that is ready."""
    claimed = claim(one_ready(JobKind.PUBLISH).id)
    finish(claimed, pushed(claimed, commit))


def planned(claimed: Claim) -> Result:
    """Make up what a plan came to: two sessions of two assets each."""
    with transaction() as ledger:
        found = listing(ledger.get_one(SourceVersion, claimed.subject).name, 2, assets=2)
    return Result({}, lambda session: recordings.seal_source(session, claimed.subject, found))


def result_of(claimed: Claim) -> Result:
    """Make up what a job of any kind came to."""
    results: Mapping[JobKind, Callable[[Claim], Result]] = {
        JobKind.PLAN: planned,
        JobKind.FETCH: fetched,
        JobKind.BIN: binned,
        JobKind.STREAM: streamed,
        JobKind.FREEZE: frozen,
        JobKind.SHARD: shard_written,
        JobKind.ASSEMBLE: assembled,
        JobKind.PUBLISH: pushed,
    }
    return results[claimed.kind](claimed)


def publish(*, shards: int = 1) -> None:
    """Bring a release whose sessions are done to its end."""
    sweep_once()
    freeze(shards=shards)
    write_shards()
    sweep_once()
    assemble()


def build(number: int) -> Build:
    """Return a build as it stands."""
    with transaction() as ledger:
        return ledger.get_one(Build, number)


def release(number: int) -> Release:
    """Return a release as it stands."""
    with transaction() as ledger:
        return ledger.get_one(Release, number)


def newest_release(build_id: int) -> Release:
    """Return the newest release of a build."""
    with transaction() as ledger:
        return ledger.scalars(
            select(Release).where(Release.build_id == build_id).order_by(Release.id.desc()).limit(1)
        ).one()


def open_builds() -> list[int]:
    """Return the builds that are open."""
    with transaction() as ledger:
        return list(ledger.scalars(select(Build.id).where(Build.state == BuildState.OPEN)))


def sessions() -> list[Session]:
    """Return all sessions, by their id."""
    with transaction() as ledger:
        return list(ledger.scalars(select(Session).order_by(Session.id)))


def assets() -> list[Asset]:
    """Return all assets, by their id."""
    with transaction() as ledger:
        return list(ledger.scalars(select(Asset).order_by(Asset.id)))


def shards() -> list[Shard]:
    """Return all shards, by their id."""
    with transaction() as ledger:
        return list(ledger.scalars(select(Shard).order_by(Shard.id)))


def sources() -> list[SourceVersion]:
    """Return all source versions, by their id."""
    with transaction() as ledger:
        return list(ledger.scalars(select(SourceVersion).order_by(SourceVersion.id)))


def reserved() -> int:
    """Return how many bytes of the spool are reserved."""
    with transaction() as ledger:
        return int(ledger.scalars(select(func.coalesce(func.sum(Session.reserved_bytes), 0))).one())


def outcomes(job_id: int) -> list[Outcome | None]:
    """Return how the attempts at a job ended."""
    with transaction() as ledger:
        return list(
            ledger.scalars(select(Attempt.outcome).where(Attempt.job_id == job_id).order_by(Attempt.attempt))
        )


def status(build_id: int) -> build_queries.BuildStatus:
    """Return where a build stands."""
    with transaction() as ledger:
        return build_queries.status_of(ledger, build_id)


def expire(job_id: int) -> None:
    """Let the lease of a running job be over."""
    set_job(job_id, lease_expires=func.clock_timestamp() - timedelta(seconds=1))


def set_job(job_id: int, **values: Any) -> None:
    """Change a job by hand: the tests' way to move the clock."""
    with transaction() as ledger:
        ledger.execute(update(Job).where(Job.id == job_id).values(**values))
