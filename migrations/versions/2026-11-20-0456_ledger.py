"""The ledger's tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "8b9cc2edc111"
down_revision = None

_SUBJECT_OF_KIND = """
    (kind = 'plan') = (source_version_id IS NOT NULL)
    AND (kind = 'fetch') = (asset_id IS NOT NULL)
    AND (kind IN ('bin', 'stream')) = (session_id IS NOT NULL)
    AND (kind IN ('freeze', 'assemble', 'publish')) = (release_id IS NOT NULL)
    AND (kind = 'shard') = (shard_id IS NOT NULL)
"""


def upgrade() -> None:
    """Create the tables, each before those that refer to it."""
    op.create_table(
        "builds",
        sa.Column("id", sa.BigInteger(), nullable=False, comment="Its number in this ledger."),
        sa.Column("digest", sa.Text(), nullable=False, comment="sha256 of pile, source versions and limit."),
        sa.Column("pile", sa.Text(), nullable=False, comment="The pile's name."),
        sa.Column(
            "notes", sa.Text(), nullable=True, comment="What the catalogue says of the pile, for its card."
        ),
        sa.Column(
            "session_limit",
            sa.BigInteger(),
            nullable=True,
            comment="How many sessions of each source, if not all.",
        ),
        sa.Column(
            "state",
            sa.Enum(
                "open",
                "released",
                "superseded",
                "cancelled",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=20,
            ),
            nullable=False,
            comment="open, released, superseded or cancelled.",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
            comment="When it was first asked for.",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_builds")),
        sa.UniqueConstraint("digest", name=op.f("uq_builds_digest")),
        comment="A pile name and a set of source versions (and a limit, if any).",
    )
    op.create_index(
        "uq_builds_open_pile", "builds", ["pile"], unique=True, postgresql_where=sa.text("state = 'open'")
    )
    op.create_table(
        "ledger_mark",
        sa.Column("singleton", sa.Boolean(), server_default="true", nullable=False, comment="Always true."),
        sa.Column(
            "ledger_id",
            sa.UUID(),
            server_default=sa.text("gen_random_uuid()"),
            nullable=False,
            comment="A store with another id is refused.",
        ),
        sa.Column(
            "heartbeat_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the sweeper's last round began.",
        ),
        sa.Column(
            "grace_until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Until then no lease is expired.",
        ),
        sa.CheckConstraint("singleton", name=op.f("ck_ledger_mark_one_row")),
        sa.PrimaryKeyConstraint("singleton", name=op.f("pk_ledger_mark")),
        comment="The ledger's own id, which its store carries too; and the sweeper's heartbeat.",
    )
    op.create_table(
        "request_slots",
        sa.Column("host", sa.Text(), nullable=False, comment="The archive's host."),
        sa.Column(
            "next_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When the next request may be made.",
        ),
        sa.PrimaryKeyConstraint("host", name=op.f("pk_request_slots")),
        comment="Archives' rate limits, shared by all workers.",
    )
    op.create_table(
        "source_versions",
        sa.Column("id", sa.BigInteger(), nullable=False, comment="Its number in this ledger."),
        sa.Column("digest", sa.Text(), nullable=False, comment="sha256 of what decides the source's bytes."),
        sa.Column(
            "name", sa.Text(), nullable=False, comment="The source's name: source_dataset in every row."
        ),
        sa.Column("archive", sa.Text(), nullable=False, comment="dandi, figshare or files."),
        sa.Column(
            "api",
            sa.Text(),
            nullable=False,
            comment="The archive's address, frozen when the source was queued.",
        ),
        sa.Column(
            "config",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="The catalogue entry as it was queued.",
        ),
        sa.Column(
            "format_id",
            sa.Text(),
            nullable=False,
            comment="Schema, writer settings and pyarrow version of chunks.",
        ),
        sa.Column(
            "expected",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="Published sessions, subjects, tokens, if known.",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
            comment="When it was first queued.",
        ),
        sa.Column(
            "sealed_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When its whole listing stood in the ledger.",
        ),
        sa.Column(
            "n_planned", sa.BigInteger(), nullable=True, comment="How many sessions the sealed listing holds."
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source_versions")),
        sa.UniqueConstraint("digest", name=op.f("uq_source_versions_digest")),
        comment="A source with all that its bytes depend on; its digest is its key.",
    )
    op.create_table(
        "build_sources",
        sa.Column("build_id", sa.BigInteger(), nullable=False, comment="The build."),
        sa.Column(
            "source_version_id", sa.BigInteger(), nullable=False, comment="One of its source versions."
        ),
        sa.ForeignKeyConstraint(["build_id"], ["builds.id"], name=op.f("fk_build_sources_build_id")),
        sa.ForeignKeyConstraint(
            ["source_version_id"], ["source_versions.id"], name=op.f("fk_build_sources_source_version_id")
        ),
        sa.PrimaryKeyConstraint("build_id", "source_version_id", name=op.f("pk_build_sources")),
        comment="Which source versions a build is made of.",
    )
    op.create_table(
        "releases",
        sa.Column("id", sa.BigInteger(), nullable=False, comment="Its number in this ledger."),
        sa.Column("build_id", sa.BigInteger(), nullable=False, comment="The build that it releases."),
        sa.Column(
            "parameters",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="Seed, split, test fraction and shard limits.",
        ),
        sa.Column(
            "allow_missing", sa.Boolean(), nullable=False, comment="Whether dead sessions are left out."
        ),
        sa.Column(
            "state",
            sa.Enum(
                "waiting",
                "frozen",
                "published",
                "outdated",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=20,
            ),
            nullable=False,
            comment="waiting, frozen, published or outdated.",
        ),
        sa.Column(
            "list_digest", sa.Text(), nullable=True, comment="sha256 of the frozen list (row, chunk sha256)."
        ),
        sa.Column(
            "digest", sa.Text(), nullable=True, comment="sha256 of build, parameters, list; names its folder."
        ),
        sa.Column(
            "split",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="Groups, rows and tokens of the split.",
        ),
        sa.Column(
            "card_metadata",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="Texts of its card and provenance.",
        ),
        sa.Column(
            "missing",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="Sessions left out, each with its reason.",
        ),
        sa.Column(
            "provenance_sha256", sa.Text(), nullable=True, comment="sha256 of the pile's provenance.jsonl."
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
            comment="When it was asked for.",
        ),
        sa.Column(
            "frozen_at", sa.DateTime(timezone=True), nullable=True, comment="When its list was frozen."
        ),
        sa.Column(
            "published_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the pile was verified and published.",
        ),
        sa.Column(
            "hub_repository", sa.Text(), nullable=True, comment="Dataset to push to, or last pushed to."
        ),
        sa.Column("hub_revision", sa.Text(), nullable=True, comment="The branch of that dataset."),
        sa.Column(
            "hub_private", sa.Boolean(), nullable=True, comment="Whether a push creates that dataset private."
        ),
        sa.Column("hub_endpoint", sa.Text(), nullable=True, comment="The hub's address."),
        sa.Column(
            "hub_shards",
            sa.BigInteger(),
            nullable=True,
            comment="Shards that the running push has found or sent.",
        ),
        sa.Column(
            "hub_commit", sa.Text(), nullable=True, comment="The commit that holds it; empty until pushed."
        ),
        sa.Column(
            "hub_pushed_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When that commit was recorded.",
        ),
        sa.CheckConstraint(
            "(hub_commit IS NULL) = (hub_pushed_at IS NULL)", name=op.f("ck_releases_commit_has_time")
        ),
        sa.CheckConstraint(
            "hub_commit IS NULL OR hub_repository IS NOT NULL", name=op.f("ck_releases_commit_has_repository")
        ),
        sa.CheckConstraint(
            "num_nulls(hub_repository, hub_revision, hub_private, hub_endpoint) IN (0, 4)",
            name=op.f("ck_releases_whole_target"),
        ),
        sa.ForeignKeyConstraint(["build_id"], ["builds.id"], name=op.f("fk_releases_build_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_releases")),
        comment="A build with seed, split, fraction and shard limits; it freezes its list of rows.",
    )
    op.create_index(
        "uq_releases_digest",
        "releases",
        ["digest"],
        unique=True,
        postgresql_where=sa.text("state <> 'outdated'"),
    )
    op.create_index(
        "uq_releases_in_progress",
        "releases",
        ["build_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('waiting', 'frozen')"),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.BigInteger(), nullable=False, comment="Its number in this ledger."),
        sa.Column("source_version_id", sa.BigInteger(), nullable=False, comment="Its source."),
        sa.Column(
            "identity", sa.Text(), nullable=False, comment="sha256 of source and key; names its chunk."
        ),
        sa.Column(
            "ordinal",
            sa.BigInteger(),
            nullable=False,
            comment="Its place in the listing, from 0; limits count by it.",
        ),
        sa.Column("key", sa.Text(), nullable=False, comment="The asset's path, or the group's name."),
        sa.Column(
            "subject_id", sa.Text(), nullable=True, comment="Empty until binned where only the file names it."
        ),
        sa.Column("session_id", sa.Text(), nullable=False, comment="The file's stem, or the group's name."),
        sa.Column(
            "admitted_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Since when it has room in the spool.",
        ),
        sa.Column(
            "reserved_bytes",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="Bytes reserved in the spool.",
        ),
        sa.Column("n_units", sa.BigInteger(), nullable=True, comment="Units: the rows of its matrix."),
        sa.Column("n_bins", sa.BigInteger(), nullable=True, comment="Bins: the columns of its matrix."),
        sa.Column("spikes", sa.BigInteger(), nullable=True, comment="Spikes counted."),
        sa.Column("clipped_cells", sa.BigInteger(), nullable=True, comment="Cells above 255, stored as 255."),
        sa.Column(
            "dropped_spikes",
            sa.BigInteger(),
            nullable=True,
            comment="Spikes before the first edge or at no finite time; cells whose rate is no number.",
        ),
        sa.Column(
            "chunk", sa.Text(), nullable=True, comment="Its chunk's name in the store; empty without one."
        ),
        sa.Column("chunk_sha256", sa.Text(), nullable=True, comment="sha256 of the chunk's bytes."),
        sa.Column("chunk_bytes", sa.BigInteger(), nullable=True, comment="Size of the chunk."),
        sa.Column(
            "binned_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When its counts were last written.",
        ),
        sa.ForeignKeyConstraint(
            ["source_version_id"], ["source_versions.id"], name=op.f("fk_sessions_source_version_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("identity", name=op.f("uq_sessions_identity")),
        sa.UniqueConstraint("source_version_id", "key", name=op.f("uq_sessions_source_version_id_key")),
        sa.UniqueConstraint(
            "source_version_id", "ordinal", name=op.f("uq_sessions_source_version_id_ordinal")
        ),
        comment="One recording: the unit of work, shared by every build that contains it.",
    )
    op.create_index(
        "uq_sessions_names", "sessions", ["source_version_id", "subject_id", "session_id"], unique=True
    )
    op.create_table(
        "assets",
        sa.Column("id", sa.BigInteger(), nullable=False, comment="Its number in this ledger."),
        sa.Column("session_id", sa.BigInteger(), nullable=False, comment="The session it belongs to."),
        sa.Column(
            "position",
            sa.BigInteger(),
            nullable=False,
            comment="Its place in the session, in path order, from 0.",
        ),
        sa.Column("archive_asset_id", sa.Text(), nullable=False, comment="The archive's own name for it."),
        sa.Column("path", sa.Text(), nullable=False, comment="Its path in the archive."),
        sa.Column("size", sa.BigInteger(), nullable=False, comment="Bytes, by the archive's listing."),
        sa.Column(
            "digests",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="Digests that the archive published.",
        ),
        sa.Column(
            "local_path",
            sa.Text(),
            nullable=True,
            comment="Where the verified copy is: a path, or its name in an object store; else empty.",
        ),
        sa.Column(
            "sha256", sa.Text(), nullable=True, comment="sha256 of the copy; empty if it was streamed."
        ),
        sa.Column(
            "verified_by",
            sa.Text(),
            nullable=True,
            comment="What agreed with the listing. Of a copy: a digest of its bytes, by name. Of what was "
            "streamed: the object's ETag (etag) or its size, for no digest of the whole fits a part.",
        ),
        sa.Column(
            "bytes_downloaded",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="Bytes received, all attempts.",
        ),
        sa.Column(
            "range_requests",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="Range requests, all attempts.",
        ),
        sa.Column(
            "fetched_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was last copied or streamed.",
        ),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_assets_session_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assets")),
        sa.UniqueConstraint("session_id", "position", name=op.f("uq_assets_session_id_position")),
        comment="One file in an archive; a session is made of one or more.",
    )
    op.create_table(
        "rows",
        sa.Column("id", sa.BigInteger(), nullable=False, comment="Its number in this ledger."),
        sa.Column("session_id", sa.BigInteger(), nullable=False, comment="The session it is cut from."),
        sa.Column("index", sa.BigInteger(), nullable=False, comment="segment_<index>."),
        sa.Column("first_bin", sa.BigInteger(), nullable=False, comment="The first bin of the segment."),
        sa.Column("bins", sa.BigInteger(), nullable=False, comment="How many bins it spans."),
        sa.Column("tokens", sa.BigInteger(), nullable=False, comment="Units times bins."),
        sa.Column("row_group", sa.BigInteger(), nullable=False, comment="Its row group in the chunk."),
        sa.Column(
            "compressed_bytes",
            sa.BigInteger(),
            nullable=False,
            comment="Bytes of its column pages in the chunk.",
        ),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_rows_session_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rows")),
        sa.UniqueConstraint("session_id", "index", name=op.f("uq_rows_session_id_index")),
        comment="A segment of a session, with what the plan of the shards needs to know of it.",
    )
    op.create_table(
        "shards",
        sa.Column("id", sa.BigInteger(), nullable=False, comment="Its number in this ledger."),
        sa.Column("release_id", sa.BigInteger(), nullable=False, comment="The release it belongs to."),
        sa.Column("split", sa.Text(), nullable=False, comment="train or test."),
        sa.Column(
            "name",
            sa.Text(),
            nullable=False,
            comment="Its name in the pile: data/train-00000-of-000NN.parquet.",
        ),
        sa.Column("n_rows", sa.BigInteger(), nullable=False, comment="Rows, by plan."),
        sa.Column("tokens", sa.BigInteger(), nullable=False, comment="Tokens, by plan."),
        sa.Column("bytes", sa.BigInteger(), nullable=True, comment="Size of the file."),
        sa.Column("sha256", sa.Text(), nullable=True, comment="sha256 of the file."),
        sa.ForeignKeyConstraint(["release_id"], ["releases.id"], name=op.f("fk_shards_release_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shards")),
        sa.UniqueConstraint("release_id", "name", name=op.f("uq_shards_release_id_name")),
        comment="One Parquet file of a release.",
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.BigInteger(), nullable=False, comment="Its number in this ledger."),
        sa.Column(
            "kind",
            sa.Enum(
                "plan",
                "fetch",
                "bin",
                "stream",
                "freeze",
                "shard",
                "assemble",
                "publish",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=20,
            ),
            nullable=False,
            comment="plan, fetch, bin, stream, freeze, shard, assemble or publish.",
        ),
        sa.Column(
            "state",
            sa.Enum(
                "blocked",
                "ready",
                "running",
                "done",
                "dead",
                "skipped",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=20,
            ),
            nullable=False,
            comment="blocked, ready, running, done, dead or skipped.",
        ),
        sa.Column("source_version_id", sa.BigInteger(), nullable=True, comment="What a plan lists."),
        sa.Column("asset_id", sa.BigInteger(), nullable=True, comment="What a fetch copies."),
        sa.Column("session_id", sa.BigInteger(), nullable=True, comment="What is counted."),
        sa.Column("release_id", sa.BigInteger(), nullable=True, comment="Its release."),
        sa.Column("shard_id", sa.BigInteger(), nullable=True, comment="What is written."),
        sa.Column(
            "format_id", sa.Text(), nullable=True, comment="Only a worker of this format may claim it."
        ),
        sa.Column(
            "attempt", sa.BigInteger(), server_default="0", nullable=False, comment="Number of claims so far."
        ),
        sa.Column(
            "failures",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="Failures of the same kind in a row.",
        ),
        sa.Column(
            "crashes",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="Attempts whose worker vanished.",
        ),
        sa.Column(
            "rebuild_count",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="How often its output was lost.",
        ),
        sa.Column(
            "first_failed_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="The first failure in a row.",
        ),
        sa.Column(
            "not_before",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
            comment="The earliest time it may run.",
        ),
        sa.Column(
            "celery_retry_until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Until then Celery retries it.",
        ),
        sa.Column(
            "sent_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When a message for it was last sent.",
        ),
        sa.Column(
            "broker_epoch", sa.Text(), nullable=True, comment="Epoch of the broker that got that message."
        ),
        sa.Column("lease_owner", sa.Text(), nullable=True, comment="Who runs it: host:process:random."),
        sa.Column(
            "lease_worker", sa.Text(), nullable=True, comment="The worker instance: ends with its process."
        ),
        sa.Column(
            "supervisor_id", sa.Text(), nullable=True, comment="The supervisor that ran when it was claimed."
        ),
        sa.Column(
            "lease_expires",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When an owner without heartbeat loses it.",
        ),
        sa.Column(
            "started_at", sa.DateTime(timezone=True), nullable=True, comment="When the last attempt began."
        ),
        sa.Column(
            "finished_at", sa.DateTime(timezone=True), nullable=True, comment="When it was done or dead."
        ),
        sa.Column("error_class", sa.Text(), nullable=True, comment="The kind of the last error."),
        sa.Column(
            "error", sa.Text(), nullable=True, comment="The last error: what was wrong, what can be done."
        ),
        sa.Column("skipped_because", sa.Text(), nullable=True, comment="Why a person skipped it."),
        sa.Column(
            "output",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="What it recorded when it was done.",
        ),
        sa.CheckConstraint("(state = 'done') = (output IS NOT NULL)", name=op.f("ck_jobs_done_has_output")),
        sa.CheckConstraint(
            "(state = 'running') = (lease_expires IS NOT NULL)", name=op.f("ck_jobs_running_has_lease")
        ),
        sa.CheckConstraint(
            "(state = 'running') = (lease_owner IS NOT NULL)", name=op.f("ck_jobs_running_has_owner")
        ),
        sa.CheckConstraint(
            "(state = 'skipped') = (skipped_because IS NOT NULL)", name=op.f("ck_jobs_skipped_has_reason")
        ),
        sa.CheckConstraint(_SUBJECT_OF_KIND, name=op.f("ck_jobs_subject_of_kind")),
        sa.CheckConstraint("state <> 'dead' OR error IS NOT NULL", name=op.f("ck_jobs_dead_has_error")),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name=op.f("fk_jobs_asset_id")),
        sa.ForeignKeyConstraint(["release_id"], ["releases.id"], name=op.f("fk_jobs_release_id")),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_jobs_session_id")),
        sa.ForeignKeyConstraint(["shard_id"], ["shards.id"], name=op.f("fk_jobs_shard_id")),
        sa.ForeignKeyConstraint(
            ["source_version_id"], ["source_versions.id"], name=op.f("fk_jobs_source_version_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        comment="Work: one state machine for every kind.",
    )
    op.create_index(
        "ix_jobs_ready",
        "jobs",
        ["kind", "not_before", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'ready'"),
    )
    op.create_index(
        "ix_jobs_running",
        "jobs",
        ["lease_expires"],
        unique=False,
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_index("uq_jobs_asset_id", "jobs", ["asset_id"], unique=True)
    op.create_index("uq_jobs_release_id_kind", "jobs", ["release_id", "kind"], unique=True)
    op.create_index("uq_jobs_session_id", "jobs", ["session_id"], unique=True)
    op.create_index("uq_jobs_shard_id", "jobs", ["shard_id"], unique=True)
    op.create_index("uq_jobs_source_version_id", "jobs", ["source_version_id"], unique=True)
    op.create_table(
        "shard_rows",
        sa.Column("shard_id", sa.BigInteger(), nullable=False, comment="The shard."),
        sa.Column("position", sa.BigInteger(), nullable=False, comment="Its place in the shard, from 0."),
        sa.Column("row_id", sa.BigInteger(), nullable=False, comment="The row."),
        sa.Column("chunk", sa.Text(), nullable=False, comment="The chunk's name when the list was frozen."),
        sa.Column(
            "chunk_sha256", sa.Text(), nullable=False, comment="The chunk's digest when the list was frozen."
        ),
        sa.ForeignKeyConstraint(["row_id"], ["rows.id"], name=op.f("fk_shard_rows_row_id")),
        sa.ForeignKeyConstraint(["shard_id"], ["shards.id"], name=op.f("fk_shard_rows_shard_id")),
        sa.PrimaryKeyConstraint("shard_id", "position", name=op.f("pk_shard_rows")),
        comment="The frozen list: a row's place in a shard, and the chunk it comes from.",
    )
    op.create_table(
        "attempts",
        sa.Column("job_id", sa.BigInteger(), nullable=False, comment="The job."),
        sa.Column("attempt", sa.BigInteger(), autoincrement=False, nullable=False, comment="Its number."),
        sa.Column("owner", sa.Text(), nullable=False, comment="Who made it."),
        sa.Column(
            "started_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
            comment="When it began.",
        ),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True, comment="When it ended, if known."),
        sa.Column(
            "outcome",
            sa.Enum(
                "done",
                "failed",
                "vanished",
                "released",
                "withdrawn",
                "handed-over",
                name="outcome",
                native_enum=False,
                create_constraint=True,
                length=20,
            ),
            nullable=True,
            comment="done, failed, vanished, released, withdrawn or handed-over.",
        ),
        sa.Column("error", sa.Text(), nullable=True, comment="Its error, if it had one."),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_attempts_job_id")),
        sa.PrimaryKeyConstraint("job_id", "attempt", name=op.f("pk_attempts")),
        comment="The history: every attempt at every job.",
    )
    op.create_table(
        "job_dependencies",
        sa.Column("job_id", sa.BigInteger(), nullable=False, comment="The waiting job."),
        sa.Column("needs_id", sa.BigInteger(), nullable=False, comment="The job that must be done first."),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_dependencies_job_id")),
        sa.ForeignKeyConstraint(["needs_id"], ["jobs.id"], name=op.f("fk_job_dependencies_needs_id")),
        sa.PrimaryKeyConstraint("job_id", "needs_id", name=op.f("pk_job_dependencies")),
        comment="Which job waits for which.",
    )
    op.create_index(op.f("ix_job_dependencies_needs_id"), "job_dependencies", ["needs_id"], unique=False)


def downgrade() -> None:
    """Drop the tables."""
    op.drop_index(op.f("ix_job_dependencies_needs_id"), table_name="job_dependencies")
    op.drop_table("job_dependencies")
    op.drop_table("attempts")
    op.drop_table("shard_rows")
    op.drop_index("uq_jobs_source_version_id", table_name="jobs")
    op.drop_index("uq_jobs_shard_id", table_name="jobs")
    op.drop_index("uq_jobs_session_id", table_name="jobs")
    op.drop_index("uq_jobs_release_id_kind", table_name="jobs")
    op.drop_index("uq_jobs_asset_id", table_name="jobs")
    op.drop_index("ix_jobs_running", table_name="jobs", postgresql_where=sa.text("state = 'running'"))
    op.drop_index("ix_jobs_ready", table_name="jobs", postgresql_where=sa.text("state = 'ready'"))
    op.drop_table("jobs")
    op.drop_table("shards")
    op.drop_table("rows")
    op.drop_table("assets")
    op.drop_index("uq_sessions_names", table_name="sessions")
    op.drop_table("sessions")
    op.drop_index(
        "uq_releases_in_progress",
        table_name="releases",
        postgresql_where=sa.text("state IN ('waiting', 'frozen')"),
    )
    op.drop_index(
        "uq_releases_digest", table_name="releases", postgresql_where=sa.text("state <> 'outdated'")
    )
    op.drop_table("releases")
    op.drop_table("build_sources")
    op.drop_table("source_versions")
    op.drop_table("request_slots")
    op.drop_table("ledger_mark")
    op.drop_index("uq_builds_open_pile", table_name="builds", postgresql_where=sa.text("state = 'open'"))
    op.drop_table("builds")
