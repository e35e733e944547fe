"""The ledger's tables, and the words for the states of what is in them."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, cast
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Enum,
    ForeignKey,
    Index,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as POSTGRES_UUID
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedColumn, mapped_column, relationship

_NOW = func.clock_timestamp()


def _state_column(kind: type[StrEnum], name: str) -> MappedColumn[Any]:
    """Return a text column that admits the enum's values, so that SQL reads as words."""
    *values, last = kind
    return mapped_column(
        Enum(
            kind,
            name=name,
            native_enum=False,
            create_constraint=True,
            length=20,
            values_callable=lambda members: [member.value for member in members],
        ),
        comment=f"{', '.join(values)} or {last}.",
    )


class Model(DeclarativeBase):
    """Base of every table of the ledger."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        int: BigInteger,
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB(none_as_null=True),
        list[Any]: JSONB(none_as_null=True),
    }

    def __init_subclass__(cls, **options: Any) -> None:
        """Let a table's docstring be its comment too."""
        super().__init_subclass__(**options)
        cast("Table", cls.__table__).comment = cls.__doc__


class BuildState(StrEnum):
    """Where a build stands."""

    OPEN = "open"  # its jobs are sent to workers
    RELEASED = "released"  # its newest release is published, and pushed to the hub where that was requested
    SUPERSEDED = "superseded"  # a newer build of the same pile took its place
    CANCELLED = "cancelled"  # a person stopped it


class ReleaseState(StrEnum):
    """How far a release has come."""

    WAITING = "waiting"  # a source is not complete
    FROZEN = "frozen"  # its list of rows is fixed; shards are being written
    PUBLISHED = "published"  # the pile was verified, and is in place
    OUTDATED = "outdated"  # its list no longer holds, or other parameters took its place


class JobKind(StrEnum):
    """What a job does, and to what."""

    PLAN = "plan"  # lists a source and seals it
    FETCH = "fetch"  # copies one asset and verifies it
    BIN = "bin"  # turns one session into a chunk, from its copies
    STREAM = "stream"  # turns one session into a chunk, read where its archive keeps it
    FREEZE = "freeze"  # orders, splits and plans the shards of a release
    SHARD = "shard"  # writes one shard
    ASSEMBLE = "assemble"  # card, provenance, audit, switch
    PUBLISH = "publish"  # pushes a published pile to the Hugging Face hub


COUNTING = frozenset({JobKind.BIN, JobKind.STREAM})
"""The kinds that turn a session into a chunk: each session has one job, of one of them."""


class JobState(StrEnum):
    """The state of a job, in the words of docs/ledger.md."""

    BLOCKED = "blocked"  # other jobs come first, or the spool is full
    READY = "ready"  # free to be claimed from not_before on
    RUNNING = "running"  # a worker has it
    DONE = "done"  # what it made is in the ledger
    DEAD = "dead"  # given up
    SKIPPED = "skipped"  # a person decided that builds go without it


class Outcome(StrEnum):
    """How an attempt ended."""

    DONE = "done"  # its output was recorded
    FAILED = "failed"  # in an error
    VANISHED = "vanished"  # its process died, or was silent for too long
    RELEASED = "released"  # its worker was told to stop
    WITHDRAWN = "withdrawn"  # it was no longer needed
    HANDED_OVER = "handed-over"  # its session is copied, for it cannot be streamed


class SourceVersion(Model):
    """A source with all that its bytes depend on; its digest is its key."""

    __tablename__ = "source_versions"

    id: Mapped[int] = mapped_column(primary_key=True, comment="Its number in this ledger.")
    digest: Mapped[str] = mapped_column(unique=True, comment="sha256 of what decides the source's bytes.")
    name: Mapped[str] = mapped_column(comment="The source's name: source_dataset in every row.")
    archive: Mapped[str] = mapped_column(comment="dandi, figshare or files.")
    api: Mapped[str] = mapped_column(comment="The archive's address, frozen when the source was queued.")
    config: Mapped[dict[str, Any]] = mapped_column(comment="The catalogue entry as it was queued.")
    format_id: Mapped[str] = mapped_column(comment="Schema, writer settings and pyarrow version of chunks.")
    expected: Mapped[dict[str, Any]] = mapped_column(
        comment="Published sessions, subjects, tokens, if known."
    )
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW, comment="When it was first queued.")
    sealed_at: Mapped[datetime | None] = mapped_column(comment="When its whole listing stood in the ledger.")
    n_planned: Mapped[int | None] = mapped_column(comment="How many sessions the sealed listing holds.")

    sessions: Mapped[list["Session"]] = relationship(back_populates="source_version")


class Session(Model):
    """One recording: the unit of work, shared by every build that contains it."""

    __tablename__ = "sessions"
    __table_args__ = (
        UniqueConstraint("source_version_id", "key"),
        UniqueConstraint("source_version_id", "ordinal"),
        Index("uq_sessions_names", "source_version_id", "subject_id", "session_id", unique=True),
    )

    id: Mapped[int] = mapped_column(primary_key=True, comment="Its number in this ledger.")
    source_version_id: Mapped[int] = mapped_column(ForeignKey("source_versions.id"), comment="Its source.")
    identity: Mapped[str] = mapped_column(unique=True, comment="sha256 of source and key; names its chunk.")
    ordinal: Mapped[int] = mapped_column(comment="Its place in the listing, from 0; limits count by it.")
    key: Mapped[str] = mapped_column(comment="The asset's path, or the group's name.")
    subject_id: Mapped[str | None] = mapped_column(comment="Empty until binned where only the file names it.")
    session_id: Mapped[str] = mapped_column(comment="The file's stem, or the group's name.")
    admitted_at: Mapped[datetime | None] = mapped_column(comment="Since when it has room in the spool.")
    reserved_bytes: Mapped[int] = mapped_column(server_default="0", comment="Bytes reserved in the spool.")
    n_units: Mapped[int | None] = mapped_column(comment="Units: the rows of its matrix.")
    n_bins: Mapped[int | None] = mapped_column(comment="Bins: the columns of its matrix.")
    spikes: Mapped[int | None] = mapped_column(comment="Spikes counted.")
    clipped_cells: Mapped[int | None] = mapped_column(comment="Cells above 255, stored as 255.")
    dropped_spikes: Mapped[int | None] = mapped_column(
        comment="Spikes before the first edge or at no finite time; cells whose rate is no number."
    )
    chunk: Mapped[str | None] = mapped_column(comment="Its chunk's name in the store; empty without one.")
    chunk_sha256: Mapped[str | None] = mapped_column(comment="sha256 of the chunk's bytes.")
    chunk_bytes: Mapped[int | None] = mapped_column(comment="Size of the chunk.")
    binned_at: Mapped[datetime | None] = mapped_column(comment="When its counts were last written.")

    source_version: Mapped[SourceVersion] = relationship(back_populates="sessions")
    assets: Mapped[list["Asset"]] = relationship(back_populates="session", order_by="Asset.position")
    rows: Mapped[list["Row"]] = relationship(order_by="Row.index")


class Asset(Model):
    """One file in an archive; a session is made of one or more."""

    __tablename__ = "assets"
    __table_args__ = (UniqueConstraint("session_id", "position"),)

    id: Mapped[int] = mapped_column(primary_key=True, comment="Its number in this ledger.")
    session_id: Mapped[int] = mapped_column(ForeignKey("sessions.id"), comment="The session it belongs to.")
    position: Mapped[int] = mapped_column(comment="Its place in the session, in path order, from 0.")
    archive_asset_id: Mapped[str] = mapped_column(comment="The archive's own name for it.")
    path: Mapped[str] = mapped_column(comment="Its path in the archive.")
    size: Mapped[int] = mapped_column(comment="Bytes, by the archive's listing.")
    digests: Mapped[dict[str, Any]] = mapped_column(comment="Digests that the archive published.")
    local_path: Mapped[str | None] = mapped_column(
        comment="Where the verified copy is: a path, or its name in an object store; else empty."
    )
    sha256: Mapped[str | None] = mapped_column(comment="sha256 of the copy; empty if it was streamed.")
    verified_by: Mapped[str | None] = mapped_column(
        comment="What agreed with the listing. Of a copy: a digest of its bytes, by name. Of what was "
        "streamed: the object's ETag (etag) or its size, for no digest of the whole fits a part."
    )
    bytes_downloaded: Mapped[int] = mapped_column(server_default="0", comment="Bytes received, all attempts.")
    range_requests: Mapped[int] = mapped_column(server_default="0", comment="Range requests, all attempts.")
    fetched_at: Mapped[datetime | None] = mapped_column(comment="When it was last copied or streamed.")

    session: Mapped[Session] = relationship(back_populates="assets")


class Row(Model):
    """A segment of a session, with what the plan of the shards needs to know of it."""

    __tablename__ = "rows"
    __table_args__ = (UniqueConstraint("session_id", "index"),)

    id: Mapped[int] = mapped_column(primary_key=True, comment="Its number in this ledger.")
    session_id: Mapped[int] = mapped_column(ForeignKey("sessions.id"), comment="The session it is cut from.")
    index: Mapped[int] = mapped_column(comment="segment_<index>.")
    first_bin: Mapped[int] = mapped_column(comment="The first bin of the segment.")
    bins: Mapped[int] = mapped_column(comment="How many bins it spans.")
    tokens: Mapped[int] = mapped_column(comment="Units times bins.")
    row_group: Mapped[int] = mapped_column(comment="Its row group in the chunk.")
    compressed_bytes: Mapped[int] = mapped_column(comment="Bytes of its column pages in the chunk.")


class Build(Model):
    """A pile name and a set of source versions (and a limit, if any)."""

    __tablename__ = "builds"
    __table_args__ = (
        Index("uq_builds_open_pile", "pile", unique=True, postgresql_where=text("state = 'open'")),
    )

    id: Mapped[int] = mapped_column(primary_key=True, comment="Its number in this ledger.")
    digest: Mapped[str] = mapped_column(unique=True, comment="sha256 of pile, source versions and limit.")
    pile: Mapped[str] = mapped_column(comment="The pile's name.")
    notes: Mapped[str | None] = mapped_column(comment="What the catalogue says of the pile, for its card.")
    session_limit: Mapped[int | None] = mapped_column(comment="How many sessions of each source, if not all.")
    state: Mapped[BuildState] = _state_column(BuildState, "state")
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW, comment="When it was first asked for.")


class BuildSource(Model):
    """Which source versions a build is made of."""

    __tablename__ = "build_sources"

    build_id: Mapped[int] = mapped_column(ForeignKey("builds.id"), primary_key=True, comment="The build.")
    source_version_id: Mapped[int] = mapped_column(
        ForeignKey("source_versions.id"), primary_key=True, comment="One of its source versions."
    )


class Release(Model):
    """A build with seed, split, fraction and shard limits; it freezes its list of rows."""

    __tablename__ = "releases"
    __table_args__ = (
        Index(
            "uq_releases_in_progress",
            "build_id",
            unique=True,
            postgresql_where=text("state IN ('waiting', 'frozen')"),
        ),
        Index("uq_releases_digest", "digest", unique=True, postgresql_where=text("state <> 'outdated'")),
        CheckConstraint(
            "num_nulls(hub_repository, hub_revision, hub_private, hub_endpoint) IN (0, 4)",
            name="whole_target",
        ),
        CheckConstraint("hub_commit IS NULL OR hub_repository IS NOT NULL", name="commit_has_repository"),
        CheckConstraint("(hub_commit IS NULL) = (hub_pushed_at IS NULL)", name="commit_has_time"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, comment="Its number in this ledger.")
    build_id: Mapped[int] = mapped_column(ForeignKey("builds.id"), comment="The build that it releases.")
    parameters: Mapped[dict[str, Any]] = mapped_column(comment="Seed, split, test fraction and shard limits.")
    allow_missing: Mapped[bool] = mapped_column(comment="Whether dead sessions are left out.")
    state: Mapped[ReleaseState] = _state_column(ReleaseState, "state")
    list_digest: Mapped[str | None] = mapped_column(comment="sha256 of the frozen list (row, chunk sha256).")
    digest: Mapped[str | None] = mapped_column(comment="sha256 of build, parameters, list; names its folder.")
    split: Mapped[dict[str, Any] | None] = mapped_column(comment="Groups, rows and tokens of the split.")
    card_metadata: Mapped[dict[str, Any] | None] = mapped_column(comment="Texts of its card and provenance.")
    missing: Mapped[list[Any] | None] = mapped_column(comment="Sessions left out, each with its reason.")
    provenance_sha256: Mapped[str | None] = mapped_column(comment="sha256 of the pile's provenance.jsonl.")
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW, comment="When it was asked for.")
    frozen_at: Mapped[datetime | None] = mapped_column(comment="When its list was frozen.")
    published_at: Mapped[datetime | None] = mapped_column(comment="When the pile was verified and published.")
    hub_repository: Mapped[str | None] = mapped_column(comment="Dataset to push to, or last pushed to.")
    hub_revision: Mapped[str | None] = mapped_column(comment="The branch of that dataset.")
    hub_private: Mapped[bool | None] = mapped_column(comment="Whether a push creates that dataset private.")
    hub_endpoint: Mapped[str | None] = mapped_column(comment="The hub's address.")
    hub_shards: Mapped[int | None] = mapped_column(comment="Shards that the running push has found or sent.")
    hub_commit: Mapped[str | None] = mapped_column(comment="The commit that holds it; empty until pushed.")
    hub_pushed_at: Mapped[datetime | None] = mapped_column(comment="When that commit was recorded.")


class Shard(Model):
    """One Parquet file of a release."""

    __tablename__ = "shards"
    __table_args__ = (UniqueConstraint("release_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True, comment="Its number in this ledger.")
    release_id: Mapped[int] = mapped_column(ForeignKey("releases.id"), comment="The release it belongs to.")
    split: Mapped[str] = mapped_column(comment="train or test.")
    name: Mapped[str] = mapped_column(comment="Its name in the pile: data/train-00000-of-000NN.parquet.")
    n_rows: Mapped[int] = mapped_column(comment="Rows, by plan.")
    tokens: Mapped[int] = mapped_column(comment="Tokens, by plan.")
    bytes: Mapped[int | None] = mapped_column(comment="Size of the file.")
    sha256: Mapped[str | None] = mapped_column(comment="sha256 of the file.")


class ShardRow(Model):
    """The frozen list: a row's place in a shard, and the chunk it comes from."""

    __tablename__ = "shard_rows"

    shard_id: Mapped[int] = mapped_column(ForeignKey("shards.id"), primary_key=True, comment="The shard.")
    position: Mapped[int] = mapped_column(primary_key=True, comment="Its place in the shard, from 0.")
    row_id: Mapped[int] = mapped_column(ForeignKey("rows.id"), comment="The row.")
    chunk: Mapped[str] = mapped_column(comment="The chunk's name when the list was frozen.")
    chunk_sha256: Mapped[str] = mapped_column(comment="The chunk's digest when the list was frozen.")


_SUBJECT_OF_KIND = """
    (kind = 'plan') = (source_version_id IS NOT NULL)
    AND (kind = 'fetch') = (asset_id IS NOT NULL)
    AND (kind IN ('bin', 'stream')) = (session_id IS NOT NULL)
    AND (kind IN ('freeze', 'assemble', 'publish')) = (release_id IS NOT NULL)
    AND (kind = 'shard') = (shard_id IS NOT NULL)
"""


class Job(Model):
    """Work: one state machine for every kind."""

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint(_SUBJECT_OF_KIND, name="subject_of_kind"),
        CheckConstraint("(state = 'running') = (lease_owner IS NOT NULL)", name="running_has_owner"),
        CheckConstraint("(state = 'running') = (lease_expires IS NOT NULL)", name="running_has_lease"),
        CheckConstraint("(state = 'done') = (output IS NOT NULL)", name="done_has_output"),
        CheckConstraint("(state = 'skipped') = (skipped_because IS NOT NULL)", name="skipped_has_reason"),
        CheckConstraint("state <> 'dead' OR error IS NOT NULL", name="dead_has_error"),
        Index("uq_jobs_source_version_id", "source_version_id", unique=True),
        Index("uq_jobs_asset_id", "asset_id", unique=True),
        Index("uq_jobs_session_id", "session_id", unique=True),
        Index("uq_jobs_shard_id", "shard_id", unique=True),
        Index("uq_jobs_release_id_kind", "release_id", "kind", unique=True),
        Index("ix_jobs_ready", "kind", "not_before", "id", postgresql_where=text("state = 'ready'")),
        Index("ix_jobs_running", "lease_expires", postgresql_where=text("state = 'running'")),
    )

    id: Mapped[int] = mapped_column(primary_key=True, comment="Its number in this ledger.")
    kind: Mapped[JobKind] = _state_column(JobKind, "kind")
    state: Mapped[JobState] = _state_column(JobState, "state")
    source_version_id: Mapped[int | None] = mapped_column(
        ForeignKey("source_versions.id"), comment="What a plan lists."
    )
    asset_id: Mapped[int | None] = mapped_column(ForeignKey("assets.id"), comment="What a fetch copies.")
    session_id: Mapped[int | None] = mapped_column(ForeignKey("sessions.id"), comment="What is counted.")
    release_id: Mapped[int | None] = mapped_column(ForeignKey("releases.id"), comment="Its release.")
    shard_id: Mapped[int | None] = mapped_column(ForeignKey("shards.id"), comment="What is written.")
    format_id: Mapped[str | None] = mapped_column(comment="Only a worker of this format may claim it.")
    attempt: Mapped[int] = mapped_column(server_default="0", comment="Number of claims so far.")
    failures: Mapped[int] = mapped_column(server_default="0", comment="Failures of the same kind in a row.")
    crashes: Mapped[int] = mapped_column(server_default="0", comment="Attempts whose worker vanished.")
    rebuild_count: Mapped[int] = mapped_column(server_default="0", comment="How often its output was lost.")
    first_failed_at: Mapped[datetime | None] = mapped_column(comment="The first failure in a row.")
    not_before: Mapped[datetime] = mapped_column(server_default=_NOW, comment="The earliest time it may run.")
    celery_retry_until: Mapped[datetime | None] = mapped_column(comment="Until then Celery retries it.")
    sent_at: Mapped[datetime | None] = mapped_column(comment="When a message for it was last sent.")
    broker_epoch: Mapped[str | None] = mapped_column(comment="Epoch of the broker that got that message.")
    lease_owner: Mapped[str | None] = mapped_column(comment="Who runs it: host:process:random.")
    lease_worker: Mapped[str | None] = mapped_column(comment="The worker instance: ends with its process.")
    supervisor_id: Mapped[str | None] = mapped_column(comment="The supervisor that ran when it was claimed.")
    lease_expires: Mapped[datetime | None] = mapped_column(
        comment="When an owner without heartbeat loses it."
    )
    started_at: Mapped[datetime | None] = mapped_column(comment="When the last attempt began.")
    finished_at: Mapped[datetime | None] = mapped_column(comment="When it was done or dead.")
    error_class: Mapped[str | None] = mapped_column(comment="The kind of the last error.")
    error: Mapped[str | None] = mapped_column(comment="The last error: what was wrong, what can be done.")
    skipped_because: Mapped[str | None] = mapped_column(comment="Why a person skipped it.")
    output: Mapped[dict[str, Any] | None] = mapped_column(comment="What it recorded when it was done.")


class JobDependency(Model):
    """Which job waits for which."""

    __tablename__ = "job_dependencies"

    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id"), primary_key=True, comment="The waiting job.")
    needs_id: Mapped[int] = mapped_column(
        ForeignKey("jobs.id"), primary_key=True, index=True, comment="The job that must be done first."
    )


class Attempt(Model):
    """The history: every attempt at every job."""

    __tablename__ = "attempts"

    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id"), primary_key=True, comment="The job.")
    attempt: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, comment="Its number.")
    owner: Mapped[str] = mapped_column(comment="Who made it.")
    started_at: Mapped[datetime] = mapped_column(server_default=_NOW, comment="When it began.")
    ended_at: Mapped[datetime | None] = mapped_column(comment="When it ended, if known.")
    outcome: Mapped[Outcome | None] = _state_column(Outcome, "outcome")
    error: Mapped[str | None] = mapped_column(comment="Its error, if it had one.")


class LedgerMark(Model):
    """The ledger's own id, which its store carries too; and the sweeper's heartbeat."""

    __tablename__ = "ledger_mark"
    __table_args__ = (CheckConstraint("singleton", name="one_row"),)

    singleton: Mapped[bool] = mapped_column(primary_key=True, server_default="true", comment="Always true.")
    ledger_id: Mapped[UUID] = mapped_column(
        POSTGRES_UUID, server_default=func.gen_random_uuid(), comment="A store with another id is refused."
    )
    heartbeat_at: Mapped[datetime | None] = mapped_column(comment="When the sweeper's last round began.")
    grace_until: Mapped[datetime | None] = mapped_column(comment="Until then no lease is expired.")


class RequestSlot(Model):
    """Archives' rate limits, shared by all workers."""

    __tablename__ = "request_slots"

    host: Mapped[str] = mapped_column(primary_key=True, comment="The archive's host.")
    next_at: Mapped[datetime] = mapped_column(comment="When the next request may be made.")
