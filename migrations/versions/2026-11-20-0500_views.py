"""Views: which jobs open builds need, and what people ask."""

from alembic import op

revision = "5e1b0c8d2f47"
down_revision = "8b9cc2edc111"

_BUILD_SESSIONS = """
CREATE VIEW build_sessions AS
SELECT build.id AS build_id, session.id AS session_id, session.source_version_id
FROM builds AS build
JOIN build_sources AS part ON part.build_id = build.id
JOIN sessions AS session ON session.source_version_id = part.source_version_id
WHERE build.session_limit IS NULL OR session.ordinal < build.session_limit
"""

_NEEDED_JOBS = """
CREATE VIEW needed_jobs AS
WITH open_releases AS (
    SELECT release.id, release.build_id, release.state
    FROM releases AS release
    JOIN builds AS build ON build.id = release.build_id
    WHERE build.state = 'open' AND (
        release.state IN ('waiting', 'frozen')
        OR release.state = 'published' AND release.hub_repository IS NOT NULL AND release.hub_commit IS NULL
    )
)
SELECT job.id AS job_id, release.build_id
FROM open_releases AS release
JOIN build_sources AS part ON part.build_id = release.build_id
JOIN jobs AS job ON job.source_version_id = part.source_version_id
WHERE release.state = 'waiting'
UNION ALL
SELECT job.id, release.build_id
FROM open_releases AS release
JOIN build_sessions AS wanted ON wanted.build_id = release.build_id
JOIN jobs AS job ON job.session_id = wanted.session_id
WHERE release.state = 'waiting'
UNION ALL
SELECT job.id, release.build_id
FROM open_releases AS release
JOIN build_sessions AS wanted ON wanted.build_id = release.build_id
JOIN assets AS asset ON asset.session_id = wanted.session_id
JOIN jobs AS job ON job.asset_id = asset.id
WHERE release.state = 'waiting'
UNION ALL
SELECT job.id, release.build_id
FROM open_releases AS release
JOIN jobs AS job ON job.release_id = release.id
WHERE job.kind = CASE release.state
    WHEN 'waiting' THEN 'freeze' WHEN 'frozen' THEN 'assemble' WHEN 'published' THEN 'publish'
END
UNION ALL
SELECT job.id, release.build_id
FROM open_releases AS release
JOIN shards AS shard ON shard.release_id = release.id
JOIN jobs AS job ON job.shard_id = shard.id
WHERE release.state = 'frozen'
"""

_SESSION_STATES = """
CREATE VIEW session_states AS
SELECT
    session.id AS session_id,
    CASE
        WHEN counting.state = 'skipped' THEN 'skipped'
        WHEN counting.state = 'done' THEN 'done'
        WHEN counting.state = 'dead' OR copies.dead THEN 'failed'
        WHEN counting.state = 'running' OR (counting.kind = 'bin' AND counting.state = 'ready') THEN 'binning'
        WHEN session.admitted_at IS NOT NULL THEN 'fetching'
        ELSE 'queued'
    END AS state
FROM sessions AS session
JOIN jobs AS counting ON counting.session_id = session.id
CROSS JOIN LATERAL (
    SELECT coalesce(bool_or(job.state = 'dead'), false) AS dead
    FROM assets AS asset
    JOIN jobs AS job ON job.asset_id = asset.id
    WHERE asset.session_id = session.id
) AS copies
"""

_READY_TO_FREEZE = """
CREATE VIEW releases_ready_to_freeze AS
SELECT release.id AS release_id
FROM releases AS release
JOIN builds AS build ON build.id = release.build_id
WHERE build.state = 'open'
AND release.state = 'waiting'
AND NOT EXISTS (
    SELECT FROM build_sources AS part
    JOIN source_versions AS source ON source.id = part.source_version_id
    WHERE part.build_id = build.id AND source.sealed_at IS NULL
)
AND NOT EXISTS (
    SELECT FROM build_sessions AS wanted
    JOIN session_states AS session ON session.session_id = wanted.session_id
    WHERE wanted.build_id = build.id
    AND session.state NOT IN ('done', 'skipped')
    AND NOT (session.state = 'failed' AND release.allow_missing)
)
"""

_PROGRESS = """
CREATE VIEW progress AS
SELECT
    build.pile,
    build.id AS build_id,
    build.state AS build_state,
    source.id AS source_version_id,
    source.name AS source,
    planning.state AS plan_state,
    source.sealed_at IS NOT NULL AS sealed,
    count(session.state) AS sessions,
    count(*) FILTER (WHERE session.state = 'queued') AS queued,
    count(*) FILTER (WHERE session.state = 'fetching') AS fetching,
    count(*) FILTER (WHERE session.state = 'binning') AS binning,
    count(*) FILTER (WHERE session.state = 'done') AS done,
    count(*) FILTER (WHERE session.state = 'failed') AS failed,
    count(*) FILTER (WHERE session.state = 'skipped') AS skipped
FROM builds AS build
JOIN build_sources AS part ON part.build_id = build.id
JOIN source_versions AS source ON source.id = part.source_version_id
JOIN jobs AS planning ON planning.source_version_id = source.id
LEFT JOIN build_sessions AS wanted
    ON wanted.build_id = build.id AND wanted.source_version_id = source.id
LEFT JOIN session_states AS session ON session.session_id = wanted.session_id
GROUP BY build.id, source.id, planning.state
"""

_COUNTED = """
CREATE VIEW token_ledger AS
SELECT
    build.pile,
    build.id AS build_id,
    build.state AS build_state,
    source.name AS source,
    count(session.id) AS sessions,
    count(DISTINCT session.subject_id) AS subjects,
    coalesce(sum(cut.rows), 0)::bigint AS rows,
    coalesce(sum(cut.tokens), 0)::bigint AS tokens,
    coalesce(sum(session.spikes), 0)::bigint AS spikes,
    coalesce(sum(session.clipped_cells), 0)::bigint AS clipped,
    coalesce(sum(session.dropped_spikes), 0)::bigint AS left_out,
    coalesce(sum(cut.bytes), 0)::bigint AS bytes,
    (source.expected ->> 'sessions')::bigint AS expected_sessions,
    (source.expected ->> 'subjects')::bigint AS expected_subjects,
    (source.expected ->> 'tokens')::bigint AS expected_tokens,
    source.config ->> 'reader' AS reader
FROM builds AS build
JOIN build_sources AS part ON part.build_id = build.id
JOIN source_versions AS source ON source.id = part.source_version_id
LEFT JOIN build_sessions AS wanted
    ON wanted.build_id = build.id AND wanted.source_version_id = source.id
LEFT JOIN jobs AS counting ON counting.session_id = wanted.session_id
LEFT JOIN sessions AS session
    ON session.id = wanted.session_id AND session.n_bins IS NOT NULL AND counting.skipped_because IS NULL
LEFT JOIN LATERAL (
    SELECT count(*) AS rows, sum(row.tokens) AS tokens, sum(row.compressed_bytes) AS bytes
    FROM rows AS row
    WHERE row.session_id = session.id
) AS cut ON true
GROUP BY build.id, source.id
"""

_FAILURES = """
CREATE VIEW failures AS
SELECT
    build.pile,
    build.id AS build_id,
    job.id AS job_id,
    job.kind,
    job.state,
    coalesce(source.name, build.pile) AS source,
    concat_ws('/', source.name, session.subject_id, session.session_id) AS session,
    coalesce(
        asset.path, session.key, shard.name, CASE WHEN job.kind = 'publish' THEN release.hub_repository END
    ) AS file,
    job.attempt,
    job.failures,
    job.crashes,
    job.error_class,
    job.error,
    job.not_before,
    job.finished_at
FROM jobs AS job
JOIN needed_jobs AS wanted ON wanted.job_id = job.id
JOIN builds AS build ON build.id = wanted.build_id
LEFT JOIN assets AS asset ON asset.id = job.asset_id
LEFT JOIN sessions AS session ON session.id = coalesce(job.session_id, asset.session_id)
LEFT JOIN shards AS shard ON shard.id = job.shard_id
LEFT JOIN releases AS release ON release.id = job.release_id
LEFT JOIN source_versions AS source
    ON source.id = coalesce(job.source_version_id, session.source_version_id)
WHERE job.error IS NOT NULL AND job.state <> 'done'
"""

_VIEWS = {
    "build_sessions": (_BUILD_SESSIONS, "Which sessions a build is made of, within its limit."),
    "needed_jobs": (_NEEDED_JOBS, "Which jobs an open build needs; no other is sent or claimed."),
    "session_states": (
        _SESSION_STATES,
        "Each session in one word: queued, fetching, binning, done, failed, skipped.",
    ),
    "releases_ready_to_freeze": (_READY_TO_FREEZE, "Releases whose sources are all sealed and complete."),
    "progress": (_PROGRESS, "Per build and source: how many sessions are in which state."),
    "token_ledger": (_COUNTED, "Per build and source: what was counted, and what was expected."),
    "failures": (_FAILURES, "What failed in open builds: where, how often, and with which error."),
}


def upgrade() -> None:
    """Create the views, each with a comment."""
    for name, (statement, comment) in _VIEWS.items():
        op.execute(statement)
        op.execute(f"COMMENT ON VIEW {name} IS '{comment}'")
    op.execute("INSERT INTO ledger_mark DEFAULT VALUES")


def downgrade() -> None:
    """Drop the views."""
    op.execute("DELETE FROM ledger_mark")
    for name in reversed(_VIEWS):
        op.execute(f"DROP VIEW {name}")
