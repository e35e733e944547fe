"""What people ask about a build: its state, progress, tokens, failures and the names of its jobs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session as Transaction

from spikemill.services.common.catalog.readers import estimating_readers
from spikemill.services.common.hub_target import HubTarget

_NEWEST_BUILD = text("""
    SELECT build.id FROM builds AS build
    JOIN releases AS release ON release.build_id = build.id
    ORDER BY
        (build.state = 'open') DESC,
        greatest(release.created_at, release.published_at, release.hub_pushed_at) DESC,
        release.id DESC
    LIMIT 1
""")
_SUCCESSOR = text("""
    SELECT next.id FROM builds AS this
    JOIN builds AS next ON next.pile = this.pile AND next.state = 'open' AND next.id <> this.id
    WHERE this.id = :build AND next.session_limit IS NOT DISTINCT FROM this.session_limit
    AND NOT EXISTS (
        SELECT FROM build_sources AS part
        WHERE part.build_id = this.id AND part.source_version_id NOT IN (
            SELECT source_version_id FROM build_sources WHERE build_id = next.id
        )
    )
""")
# A fetch that waits for room can run unless its session failed; what waits for a failed job cannot.
_STATUS = text("""
    SELECT
        build.id AS build, build.pile, build.state, release.id AS release,
        release.state AS release_state, release.digest,
        CASE WHEN build.state = 'open' THEN (
            SELECT count(*) FROM needed_jobs AS wanted
            JOIN jobs AS job ON job.id = wanted.job_id
            WHERE wanted.build_id = build.id AND job.state IN ('ready', 'running')
        ) + (
            SELECT count(*) FROM build_sessions AS wanted
            JOIN session_states AS session ON session.session_id = wanted.session_id
            WHERE wanted.build_id = build.id AND release.state = 'waiting'
            AND session.state IN ('queued', 'fetching', 'binning')
        ) + (
            SELECT count(*) FROM releases_ready_to_freeze AS gate WHERE gate.release_id = release.id
            AND NOT EXISTS (SELECT FROM jobs AS job WHERE job.release_id = release.id)
        ) + (
            SELECT count(*) FROM jobs AS job
            WHERE job.release_id = release.id AND job.state = 'blocked' AND NOT EXISTS (
                SELECT FROM job_dependencies AS need JOIN jobs AS needed ON needed.id = need.needs_id
                WHERE need.job_id = job.id AND needed.state = 'dead'
            )
        ) ELSE 0 END AS runnable,
        (SELECT count(*) FROM shards AS shard WHERE shard.release_id = release.id) AS shards,
        (
            SELECT count(*) FROM shards AS shard
            WHERE shard.release_id = release.id AND shard.sha256 IS NOT NULL
        ) AS shards_done,
        (SELECT coalesce(sum(tokens), 0)::bigint FROM token_ledger WHERE build_id = build.id) AS tokens_done,
        (
            SELECT coalesce(extract(epoch FROM clock_timestamp() - heartbeat_at), 0)::float FROM ledger_mark
        ) AS silent_for,
        CASE WHEN release.hub_repository IS NOT NULL THEN jsonb_build_object(
            'repository', release.hub_repository, 'revision', release.hub_revision,
            'private', release.hub_private, 'endpoint', release.hub_endpoint
        ) END AS hub,
        release.hub_shards, release.hub_commit
    FROM builds AS build
    JOIN LATERAL (
        SELECT * FROM releases WHERE build_id = build.id
        ORDER BY
            (state IN ('waiting', 'frozen')) DESC,
            (state = 'published') DESC,
            (hub_repository IS NOT NULL AND hub_commit IS NULL) DESC,
            greatest(created_at, published_at, hub_pushed_at) DESC,
            id DESC
        LIMIT 1
    ) AS release ON true
    WHERE build.id = :build
""")
_PROGRESS = text("""
    SELECT source, plan_state, sealed, sessions, queued, fetching, binning, done, failed, skipped
    FROM progress WHERE build_id = :build ORDER BY source
""")
_TOKENS = text("""
    SELECT source, sessions, subjects, rows, tokens, spikes, clipped, left_out, bytes,
        expected_sessions, expected_subjects, expected_tokens,
        CASE WHEN reader = ANY (:estimating) THEN tokens ELSE 0 END AS estimated_tokens
    FROM token_ledger WHERE build_id = :build ORDER BY tokens DESC, source
""")
_FAILURES = text("""
    SELECT kind, state, source, session, file, attempt, failures, crashes, error_class, error, not_before
    FROM failures WHERE build_id = :build ORDER BY state, source, session, job_id
""")
_LEFT_OUT = text("""
    SELECT
        source.name AS source,
        concat_ws('/', source.name, session.subject_id, session.session_id) AS session,
        session.key AS file, counting.skipped_because, coalesce(counting.error, copies.error) AS error
    FROM build_sessions AS wanted
    JOIN session_states AS state ON state.session_id = wanted.session_id
    JOIN sessions AS session ON session.id = wanted.session_id
    JOIN source_versions AS source ON source.id = session.source_version_id
    JOIN jobs AS counting ON counting.session_id = session.id
    LEFT JOIN LATERAL (
        SELECT job.error FROM assets AS asset JOIN jobs AS job ON job.asset_id = asset.id
        WHERE asset.session_id = session.id AND job.state = 'dead' ORDER BY asset.position LIMIT 1
    ) AS copies ON true
    WHERE wanted.build_id = :build AND state.state IN ('failed', 'skipped')
    ORDER BY source.name, session.ordinal
""")
_ASSET_BYTES = text("""
    SELECT
        coalesce(sum(asset.size), 0)::bigint AS total,
        coalesce(
            sum(asset.size) FILTER (WHERE state.state IN ('done', 'failed', 'skipped')), 0
        )::bigint AS settled
    FROM build_sessions AS wanted
    JOIN session_states AS state ON state.session_id = wanted.session_id
    JOIN assets AS asset ON asset.session_id = wanted.session_id
    WHERE wanted.build_id = :build
""")
# Of several builds that a source is part of, people mean the open one, and then the newest.
_NAMES = text("""
    SELECT
        job.id, build.id AS build, build.pile, source.name AS source,
        CASE WHEN session.id IS NOT NULL
            THEN concat_ws('/', source.name, session.subject_id, session.session_id) END AS session,
        coalesce(asset.path, shard.name) AS file,
        CASE WHEN job.kind = 'publish' THEN release.hub_repository END AS repository
    FROM jobs AS job
    LEFT JOIN assets AS asset ON asset.id = job.asset_id
    LEFT JOIN sessions AS session ON session.id = coalesce(job.session_id, asset.session_id)
    LEFT JOIN source_versions AS source
        ON source.id = coalesce(job.source_version_id, session.source_version_id)
    LEFT JOIN shards AS shard ON shard.id = job.shard_id
    LEFT JOIN releases AS release ON release.id = coalesce(job.release_id, shard.release_id)
    LEFT JOIN LATERAL (
        SELECT candidate.id, candidate.pile FROM builds AS candidate
        WHERE candidate.id = release.build_id OR EXISTS (
            SELECT FROM build_sources AS part
            WHERE part.build_id = candidate.id AND part.source_version_id = source.id
        )
        ORDER BY candidate.state = 'open' DESC, candidate.id DESC LIMIT 1
    ) AS build ON true
    WHERE job.id = ANY (:jobs)
""")


@dataclass(frozen=True, slots=True)
class BuildStatus:
    """A build and its newest release.

    `runnable` counts the jobs that may still run; `silent_for` is the time since the sweeper's last round, in
    seconds. `hub` is where the release is to be pushed to, or was, `hub_commit` as which commit; `hub_shards`
    is how many of its shards are there while it is being pushed.
    """

    build: int
    pile: str
    state: str
    release: int
    release_state: str
    digest: str | None
    runnable: int
    shards: int
    shards_done: int
    tokens_done: int
    silent_for: float
    hub: HubTarget | None
    hub_shards: int | None
    hub_commit: str | None


def newest_build(transaction: Transaction) -> int | None:
    """Return the build that people mean when they name none: the open one, else the newest.

    Newest is what was asked for, published or pushed last: an earlier build that is pushed again is it again.
    """
    build: int | None = transaction.scalar(_NEWEST_BUILD)
    return build


def successor_of(transaction: Transaction, build: int) -> int | None:
    """Return the open build that holds all sources of this one and more: what `queue` makes of it."""
    successor: int | None = transaction.scalar(_SUCCESSOR, {"build": build})
    return successor


def status_of(transaction: Transaction, build: int) -> BuildStatus:
    """Return the state of a build and of its newest release."""
    found = transaction.execute(_STATUS, {"build": build}).one()._asdict()
    target = found.pop("hub")
    return BuildStatus(**found, hub=HubTarget(**target) if target else None)


@dataclass(frozen=True, slots=True)
class SourceProgress:
    """How many sessions of one source of a build are in which state."""

    source: str
    plan_state: str
    sealed: bool
    sessions: int
    queued: int
    fetching: int
    binning: int
    done: int
    failed: int
    skipped: int


@dataclass(frozen=True, slots=True)
class TokenCount:
    """What was counted of one source of a build, beside what was expected.

    `estimated_tokens` are those whose counts were made of rates, not of spikes: all or none of a source's.
    """

    source: str
    sessions: int
    subjects: int
    rows: int
    tokens: int
    spikes: int
    clipped: int
    left_out: int
    bytes: int
    expected_sessions: int | None
    expected_subjects: int | None
    expected_tokens: int | None
    estimated_tokens: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A job whose last attempt ended in an error."""

    kind: str
    state: str
    source: str
    session: str
    file: str | None
    attempt: int
    failures: int
    crashes: int
    error_class: str | None
    error: str
    not_before: datetime


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A session that is missing from a build: skipped with a person's reason, or failed with an error."""

    source: str
    session: str
    file: str
    skipped_because: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class AssetBytes:
    """How many bytes of assets a build reads, and how many of them need no more work."""

    total: int
    settled: int


def progress_of(transaction: Transaction, build: int) -> Sequence[SourceProgress]:
    """Return how far each source of a build has come."""
    return [SourceProgress(**row._asdict()) for row in transaction.execute(_PROGRESS, {"build": build})]


def tokens_of(transaction: Transaction, build: int) -> Sequence[TokenCount]:
    """Return the token ledger of a build, the largest source first."""
    values = {"build": build, "estimating": sorted(estimating_readers())}
    return [TokenCount(**row._asdict()) for row in transaction.execute(_TOKENS, values)]


def failures_of(transaction: Transaction, build: int) -> Sequence[Failure]:
    """Return what failed in a build and is not done since."""
    return [Failure(**row._asdict()) for row in transaction.execute(_FAILURES, {"build": build})]


def left_out_of(transaction: Transaction, build: int) -> Sequence[LeftOut]:
    """Return the sessions that are missing from a build, whether it is open or not."""
    return [LeftOut(**row._asdict()) for row in transaction.execute(_LEFT_OUT, {"build": build})]


def asset_bytes_of(transaction: Transaction, build: int) -> AssetBytes:
    """Return how much of a build's input needs no more work, by the sizes of its listings."""
    return AssetBytes(**transaction.execute(_ASSET_BYTES, {"build": build}).one()._asdict())


@dataclass(frozen=True, slots=True)
class JobNames:
    """What a job is about, as far as it has it; the session is written as `spikemill skip` takes it."""

    build: int | None
    pile: str | None
    source: str | None
    session: str | None
    file: str | None
    repository: str | None

    def __str__(self) -> str:
        """Return the names from the whole to the part; a file's path mostly says its session."""
        if self.repository:
            return f"{self.pile} → {self.repository}"
        part = self.file or (self.session or "").removeprefix(f"{self.source}/")
        return " · ".join(filter(None, (self.source or self.pile, part)))


def names_of(transaction: Transaction, jobs: Sequence[int]) -> Mapping[int, JobNames]:
    """Return what each of the jobs is about."""
    return {job: JobNames(*names) for job, *names in transaction.execute(_NAMES, {"jobs": list(jobs)})}
