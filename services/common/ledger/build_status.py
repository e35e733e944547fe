"""Which build people mean, where it stands as a whole, and whether it can still go on."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session as Transaction

from services.common.hub_target import HubTarget
from services.common.ledger.push_wishes import target_of


@dataclass(frozen=True, slots=True)
class BuildStatus:
    """A build and its newest release.

    `runnable` counts the jobs that may still run; `silent_for` is the time since the sweeper last ended a
    round, in seconds. `hub_...` is where the release is to be pushed to, or was, and as which commit;
    `hub_shards` is how many of its shards are there while it is being pushed.
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
    hub_endpoint: str | None
    hub_repository: str | None
    hub_revision: str | None
    hub_private: bool | None
    hub_shards: int | None
    hub_commit: str | None

    @property
    def hub(self) -> HubTarget | None:
        """Where the release is to be pushed to, or was."""
        return target_of(self)


_NEWEST_BUILD = text("""
    SELECT build.id FROM builds AS build
    JOIN releases AS release ON release.build_id = build.id
    ORDER BY
        (build.state = 'open') DESC,
        greatest(release.created_at, release.published_at, release.hub_pushed_at) DESC,
        release.id DESC
    LIMIT 1
""")


def newest_build(transaction: Transaction) -> int | None:
    """Return the build that people mean when they name none: the open one, else the newest.

    Newest is what was asked for, published or pushed last: an earlier build that is pushed again is it again.
    """
    build: int | None = transaction.scalar(_NEWEST_BUILD)
    return build


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


def successor_of(transaction: Transaction, build: int) -> int | None:
    """Return the open build that holds all sources of this one and more: what `queue` makes of it."""
    successor: int | None = transaction.scalar(_SUCCESSOR, {"build": build})
    return successor


# A fetch that waits for room can run unless its session failed; what waits for a failed job cannot.
_STATUS = text("""
    SELECT
        build.id AS build, build.pile, build.state, release.id AS release,
        release.state AS release_state, release.digest,
        CASE WHEN build.state = 'open' THEN (
            SELECT count(*) FROM wanted_jobs AS wanted
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
            SELECT coalesce(extract(epoch FROM clock_timestamp() - swept_at), 0)::float FROM ledger_mark
        ) AS silent_for,
        release.hub_endpoint, release.hub_repository, release.hub_revision, release.hub_private,
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


def status_of(transaction: Transaction, build: int) -> BuildStatus:
    """Return where a build stands as a whole."""
    return BuildStatus(**transaction.execute(_STATUS, {"build": build}).one()._asdict())
