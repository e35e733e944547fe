"""One table of jobs with one state machine for every kind, and the history of their attempts."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from spikemill.services.common.models.base import Model, stored_by_value

_SUBJECT_OF_KIND = """
    (kind = 'plan') = (source_version_id IS NOT NULL)
    AND (kind = 'fetch') = (asset_id IS NOT NULL)
    AND (kind IN ('bin', 'stream')) = (session_id IS NOT NULL)
    AND (kind IN ('freeze', 'assemble', 'publish')) = (release_id IS NOT NULL)
    AND (kind = 'shard') = (shard_id IS NOT NULL)
"""


class JobKind(StrEnum):
    """What a job does, and to what."""

    PLAN = "plan"  # lists a source and seals it
    FETCH = "fetch"  # copies one asset and verifies it
    BIN = "bin"  # turns one session into a chunk, from its copies
    STREAM = "stream"  # turns one session into a chunk, read where its archive keeps it
    FREEZE = "freeze"  # orders, splits and plans the shards of a release
    SHARD = "shard"  # writes one shard
    ASSEMBLE = "assemble"  # card, provenance, audit, switch
    PUBLISH = "publish"  # pushes a pile that stands to the Hugging Face hub


COUNTING = frozenset({JobKind.BIN, JobKind.STREAM})
"""The kinds that turn a session into a chunk: each session has one job, of one of them."""


class JobState(StrEnum):
    """Where a job stands, in the words of docs/ledger.md."""

    BLOCKED = "blocked"  # other jobs come first, or the spool is full
    READY = "ready"  # free to be claimed from not_before on
    RUNNING = "running"  # a worker has it
    DONE = "done"  # what it made is in the ledger
    DEAD = "dead"  # given up
    SKIPPED = "skipped"  # somebody decided that builds do without it


class Job(Model):
    """One piece of work; every change of its state is one compare-and-swap."""

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
        {"comment": "Work: one state machine for every kind."},
    )

    id: Mapped[int] = mapped_column(primary_key=True, comment="Its number in this ledger.")
    kind: Mapped[JobKind] = mapped_column(
        stored_by_value(JobKind, "kind"),
        comment="plan, fetch, bin, stream, freeze, shard, assemble or publish.",
    )
    state: Mapped[JobState] = mapped_column(
        stored_by_value(JobState, "state"), comment="blocked, ready, running, done, dead or skipped."
    )
    source_version_id: Mapped[int | None] = mapped_column(
        ForeignKey("source_versions.id"), comment="What a plan lists."
    )
    asset_id: Mapped[int | None] = mapped_column(ForeignKey("assets.id"), comment="What a fetch copies.")
    session_id: Mapped[int | None] = mapped_column(
        ForeignKey("sessions.id"), comment="What a bin or a stream counts."
    )
    release_id: Mapped[int | None] = mapped_column(
        ForeignKey("releases.id"), comment="What is frozen, assembled or published."
    )
    shard_id: Mapped[int | None] = mapped_column(ForeignKey("shards.id"), comment="What is written.")
    format_id: Mapped[str | None] = mapped_column(comment="Only a worker of this format may claim it.")
    attempt: Mapped[int] = mapped_column(
        server_default="0", comment="Counts the claims, so that an older one is known by its number."
    )
    failures: Mapped[int] = mapped_column(server_default="0", comment="Failures of the same kind in a row.")
    crashes: Mapped[int] = mapped_column(
        server_default="0", comment="Attempts that vanished with their worker."
    )
    rebuild_count: Mapped[int] = mapped_column(
        server_default="0", comment="How often its output was missing or damaged."
    )
    first_failed_at: Mapped[datetime | None] = mapped_column(comment="The first failure in a row.")
    not_before: Mapped[datetime] = mapped_column(
        server_default=func.clock_timestamp(),
        comment="It may not run earlier; what is ready waits since then.",
    )
    celery_retry_until: Mapped[datetime | None] = mapped_column(
        comment="Until then Celery's own retry message is under way."
    )
    sent_at: Mapped[datetime | None] = mapped_column(comment="When a message for it was last sent.")
    broker_epoch: Mapped[str | None] = mapped_column(
        comment="The broker's life in which that message was sent."
    )
    lease_owner: Mapped[str | None] = mapped_column(comment="host:process:attempt of who runs it.")
    lease_worker: Mapped[str | None] = mapped_column(
        comment="The worker's incarnation: ends with its process."
    )
    supervisor_id: Mapped[str | None] = mapped_column(
        comment="The supervisor's life in which it was claimed."
    )
    lease_expires: Mapped[datetime | None] = mapped_column(comment="When a silent owner loses it.")
    started_at: Mapped[datetime | None] = mapped_column(comment="When the last attempt began.")
    finished_at: Mapped[datetime | None] = mapped_column(comment="When it was done or dead.")
    error_class: Mapped[str | None] = mapped_column(comment="The kind of the last error.")
    error: Mapped[str | None] = mapped_column(
        comment="The last error's text: what was wrong and what can be done."
    )
    skipped_because: Mapped[str | None] = mapped_column(comment="Why a person passed it by.")
    output: Mapped[dict[str, Any] | None] = mapped_column(comment="What it recorded when it was done.")


class JobDependency(Model):
    """A job that waits for another."""

    __tablename__ = "job_dependencies"
    __table_args__ = ({"comment": "Which job waits for which."},)

    job_id: Mapped[int] = mapped_column(
        ForeignKey("jobs.id"), primary_key=True, comment="The job that waits."
    )
    needs_id: Mapped[int] = mapped_column(
        ForeignKey("jobs.id"), primary_key=True, index=True, comment="The job that must be done first."
    )


class Outcome(StrEnum):
    """How an attempt ended."""

    DONE = "done"  # its output was recorded
    FAILED = "failed"  # in an error
    VANISHED = "vanished"  # its process died, or was silent for too long
    RELEASED = "released"  # its worker was told to stop
    WITHDRAWN = "withdrawn"  # nobody waited for it any more
    HANDED_OVER = "handed-over"  # its session is copied, for it cannot be streamed


class Attempt(Model):
    """One attempt at a job; rows are added and ended, never changed again."""

    __tablename__ = "attempts"
    __table_args__ = ({"comment": "The history: every attempt at every job."},)

    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id"), primary_key=True, comment="The job.")
    attempt: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, comment="Its number.")
    owner: Mapped[str] = mapped_column(comment="Who made it.")
    started_at: Mapped[datetime] = mapped_column(
        server_default=func.clock_timestamp(), comment="When it began."
    )
    ended_at: Mapped[datetime | None] = mapped_column(comment="When it ended, as far as is known.")
    outcome: Mapped[Outcome | None] = mapped_column(
        stored_by_value(Outcome, "outcome"),
        comment="done, failed, vanished, released, withdrawn or handed-over.",
    )
    error: Mapped[str | None] = mapped_column(comment="Its error, if it had one.")
