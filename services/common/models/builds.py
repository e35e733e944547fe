"""Facts about what is to be made: builds, their releases, and the shards of a release."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from spikemill.services.common.models.base import Model, stored_by_value


class BuildState(StrEnum):
    """Whether anybody still waits for a build."""

    OPEN = "open"  # its jobs are sent to workers
    RELEASED = "released"  # its newest release is published, and pushed to the hub where that is wanted
    SUPERSEDED = "superseded"  # a newer build of the same pile took its place
    CANCELLED = "cancelled"  # a person stopped it


class ReleaseState(StrEnum):
    """How far a release has come."""

    WAITING = "waiting"  # its gate has not fired: a source is not complete
    FROZEN = "frozen"  # its list of rows stands; shards are being written
    PUBLISHED = "published"  # the pile stands and was audited
    OUTDATED = "outdated"  # its list no longer holds, or other parameters took its place


class Build(Model):
    """A pile name and a set of source versions, and a limit if any."""

    __tablename__ = "builds"
    __table_args__ = (
        Index("uq_builds_open_pile", "pile", unique=True, postgresql_where=text("state = 'open'")),
        {"comment": "A pile name and a set of source versions (and a limit, if any)."},
    )

    id: Mapped[int] = mapped_column(primary_key=True, comment="Its number in this ledger.")
    digest: Mapped[str] = mapped_column(unique=True, comment="sha256 of pile, source versions and limit.")
    pile: Mapped[str] = mapped_column(comment="The pile's name.")
    notes: Mapped[str | None] = mapped_column(comment="What the catalogue says of the pile, for its card.")
    session_limit: Mapped[int | None] = mapped_column(comment="How many sessions of each source, if not all.")
    state: Mapped[BuildState] = mapped_column(
        stored_by_value(BuildState, "state"), comment="open, released, superseded or cancelled."
    )
    created_at: Mapped[datetime] = mapped_column(
        server_default=func.clock_timestamp(), comment="When it was first asked for."
    )


class BuildSource(Model):
    """Which source versions a build is made of."""

    __tablename__ = "build_sources"
    __table_args__ = ({"comment": "Which source versions a build is made of."},)

    build_id: Mapped[int] = mapped_column(ForeignKey("builds.id"), primary_key=True, comment="The build.")
    source_version_id: Mapped[int] = mapped_column(
        ForeignKey("source_versions.id"), primary_key=True, comment="One of its source versions."
    )


class Release(Model):
    """A build with seed, split, fraction and shard limits; immutable once published."""

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
        {"comment": "A build with seed, split, fraction and shard limits; it freezes its list of rows."},
    )

    id: Mapped[int] = mapped_column(primary_key=True, comment="Its number in this ledger.")
    build_id: Mapped[int] = mapped_column(ForeignKey("builds.id"), comment="The build that it releases.")
    parameters: Mapped[dict[str, Any]] = mapped_column(comment="Seed, split, test fraction and shard limits.")
    allow_missing: Mapped[bool] = mapped_column(comment="Whether dead sessions are left out.")
    state: Mapped[ReleaseState] = mapped_column(
        stored_by_value(ReleaseState, "state"), comment="waiting, frozen, published or outdated."
    )
    list_digest: Mapped[str | None] = mapped_column(comment="sha256 of the frozen list (row, chunk sha256).")
    digest: Mapped[str | None] = mapped_column(
        comment="sha256 of build, parameters and list; names its folder."
    )
    split: Mapped[dict[str, Any] | None] = mapped_column(
        comment="What the split came to: groups, rows, tokens."
    )
    card_metadata: Mapped[dict[str, Any] | None] = mapped_column(
        comment="What its card and provenance say of the pile and its sources."
    )
    missing: Mapped[list[Any] | None] = mapped_column(comment="Sessions left out, each with its reason.")
    provenance_sha256: Mapped[str | None] = mapped_column(comment="sha256 of the pile's provenance.jsonl.")
    created_at: Mapped[datetime] = mapped_column(
        server_default=func.clock_timestamp(), comment="When it was asked for."
    )
    frozen_at: Mapped[datetime | None] = mapped_column(comment="When its list was frozen.")
    published_at: Mapped[datetime | None] = mapped_column(comment="When the pile stood, audited.")
    hub_repository: Mapped[str | None] = mapped_column(
        comment="The dataset of the hub that it is to be pushed to, or was last: organisation/name."
    )
    hub_revision: Mapped[str | None] = mapped_column(comment="The branch of that dataset.")
    hub_private: Mapped[bool | None] = mapped_column(
        comment="Whether that dataset is private if the push creates it."
    )
    hub_endpoint: Mapped[str | None] = mapped_column(comment="The hub's address.")
    hub_shards: Mapped[int | None] = mapped_column(
        comment="How many of its shards the push under way found there or sent."
    )
    hub_commit: Mapped[str | None] = mapped_column(
        comment="The commit of the hub that holds it; empty until it is pushed."
    )
    hub_pushed_at: Mapped[datetime | None] = mapped_column(comment="When that commit was known to stand.")


class Shard(Model):
    """One Parquet file of a release."""

    __tablename__ = "shards"
    __table_args__ = (
        UniqueConstraint("release_id", "name"),
        {"comment": "One Parquet file of a release."},
    )

    id: Mapped[int] = mapped_column(primary_key=True, comment="Its number in this ledger.")
    release_id: Mapped[int] = mapped_column(
        ForeignKey("releases.id"), comment="The release that it is part of."
    )
    split: Mapped[str] = mapped_column(comment="train or test.")
    name: Mapped[str] = mapped_column(comment="Its name in the pile: data/train-00000-of-000NN.parquet.")
    n_rows: Mapped[int] = mapped_column(comment="Rows, by plan.")
    tokens: Mapped[int] = mapped_column(comment="Tokens, by plan.")
    bytes: Mapped[int | None] = mapped_column(comment="Size of the file.")
    sha256: Mapped[str | None] = mapped_column(comment="sha256 of the file.")


class ShardRow(Model):
    """A row's place in a shard, and the chunk it is copied from: the frozen list."""

    __tablename__ = "shard_rows"
    __table_args__ = ({"comment": "The frozen list: a row's place in a shard, and the chunk it comes from."},)

    shard_id: Mapped[int] = mapped_column(ForeignKey("shards.id"), primary_key=True, comment="The shard.")
    position: Mapped[int] = mapped_column(primary_key=True, comment="Its place in the shard, from 0.")
    row_id: Mapped[int] = mapped_column(ForeignKey("rows.id"), comment="The row.")
    chunk: Mapped[str] = mapped_column(comment="The chunk's name when the list was frozen.")
    chunk_sha256: Mapped[str] = mapped_column(comment="The chunk's digest when the list was frozen.")
