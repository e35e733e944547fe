"""Facts about what was found and what it holds: source versions, assets, sessions, rows."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column, relationship

from spikemill.services.common.models.base import Model


class SourceVersion(Model):
    """A source with all that its bytes depend on."""

    __tablename__ = "source_versions"
    __table_args__ = ({"comment": "A source with all that its bytes depend on; its digest is its key."},)

    id: Mapped[int] = mapped_column(primary_key=True, comment="Its number in this ledger.")
    digest: Mapped[str] = mapped_column(unique=True, comment="sha256 of what decides the source's bytes.")
    name: Mapped[str] = mapped_column(comment="The source's name: source_dataset in every row.")
    archive: Mapped[str] = mapped_column(comment="dandi, figshare or files.")
    api: Mapped[str] = mapped_column(comment="The archive's address, frozen when the source was queued.")
    config: Mapped[dict[str, Any]] = mapped_column(comment="The catalogue entry as it was queued.")
    format_id: Mapped[str] = mapped_column(
        comment="Schema, writer settings and pyarrow version of its chunks."
    )
    expected: Mapped[dict[str, Any]] = mapped_column(
        comment="Published sessions, subjects and tokens, if known."
    )
    created_at: Mapped[datetime] = mapped_column(
        server_default=func.clock_timestamp(), comment="When it was first queued."
    )
    sealed_at: Mapped[datetime | None] = mapped_column(comment="When its whole listing stood in the ledger.")
    n_planned: Mapped[int | None] = mapped_column(comment="How many sessions the sealed listing holds.")

    sessions: Mapped[list["Session"]] = relationship(back_populates="source_version")


class Session(Model):
    """One recording of a source version: the unit of work, shared by every build that contains it."""

    __tablename__ = "sessions"
    __table_args__ = (
        UniqueConstraint("source_version_id", "key"),
        UniqueConstraint("source_version_id", "ordinal"),
        Index(
            "uq_sessions_names",
            "source_version_id",
            "subject_id",
            "session_id",
            unique=True,
        ),
        {"comment": "One recording: the unit of work, shared by every build that contains it."},
    )

    id: Mapped[int] = mapped_column(primary_key=True, comment="Its number in this ledger.")
    source_version_id: Mapped[int] = mapped_column(
        ForeignKey("source_versions.id"), comment="The source version it belongs to."
    )
    identity: Mapped[str] = mapped_column(
        unique=True, comment="sha256 of source version and key; names its chunk."
    )
    ordinal: Mapped[int] = mapped_column(
        comment="Its place in the listing, from 0; a build's limit counts by it."
    )
    key: Mapped[str] = mapped_column(comment="The asset's path, or the group's name.")
    subject_id: Mapped[str | None] = mapped_column(comment="Empty until binned where only the file names it.")
    session_id: Mapped[str] = mapped_column(comment="The file's stem, or the group's name.")
    admitted_at: Mapped[datetime | None] = mapped_column(comment="Since when it holds room in the spool.")
    reserved_bytes: Mapped[int] = mapped_column(
        server_default="0", comment="Bytes of the spool that it holds."
    )
    n_units: Mapped[int | None] = mapped_column(comment="Units: the rows of its matrix.")
    n_bins: Mapped[int | None] = mapped_column(comment="Bins: the columns of its matrix.")
    spikes: Mapped[int | None] = mapped_column(comment="Spikes counted.")
    clipped_cells: Mapped[int | None] = mapped_column(
        comment="Cells that a uint8 cannot hold, kept at its limit."
    )
    dropped_spikes: Mapped[int | None] = mapped_column(
        comment="Spikes before the first edge or at no finite time; cells whose rate is no number."
    )
    chunk: Mapped[str | None] = mapped_column(
        comment="Name of its chunk in the store; empty when it is not there."
    )
    chunk_sha256: Mapped[str | None] = mapped_column(comment="sha256 of the chunk's bytes.")
    chunk_bytes: Mapped[int | None] = mapped_column(comment="Size of the chunk.")
    binned_at: Mapped[datetime | None] = mapped_column(comment="When its counts were last written.")

    source_version: Mapped[SourceVersion] = relationship(back_populates="sessions")
    assets: Mapped[list["Asset"]] = relationship(back_populates="session", order_by="Asset.position")
    rows: Mapped[list["Row"]] = relationship(back_populates="session", order_by="Row.index")


class Asset(Model):
    """One file of an archive that a session is made of."""

    __tablename__ = "assets"
    __table_args__ = (
        UniqueConstraint("session_id", "position"),
        {"comment": "One file in an archive; a session is made of one or more."},
    )

    id: Mapped[int] = mapped_column(primary_key=True, comment="Its number in this ledger.")
    session_id: Mapped[int] = mapped_column(
        ForeignKey("sessions.id"), comment="The session that it is part of."
    )
    position: Mapped[int] = mapped_column(comment="Its place in the session, in path order, from 0.")
    archive_asset_id: Mapped[str] = mapped_column(comment="The archive's own name for it.")
    path: Mapped[str] = mapped_column(comment="Its path in the archive.")
    size: Mapped[int] = mapped_column(comment="Bytes, by the archive's listing.")
    digests: Mapped[dict[str, Any]] = mapped_column(comment="Digests that the archive published.")
    local_path: Mapped[str | None] = mapped_column(
        comment="Where the verified copy lies: a path, or its name in an object store; else empty."
    )
    sha256: Mapped[str | None] = mapped_column(
        comment="sha256 of the copy; empty where only parts were streamed."
    )
    verified_by: Mapped[str | None] = mapped_column(
        comment="What agreed with the listing. Of a copy: a digest of its bytes, by name. Of what was "
        "streamed: the object's ETag (etag) or its size, for no digest of the whole fits a part."
    )
    bytes_downloaded: Mapped[int] = mapped_column(
        server_default="0", comment="Bytes that travelled, all attempts."
    )
    range_requests: Mapped[int] = mapped_column(
        server_default="0", comment="Requests for parts of it, all attempts at streaming."
    )
    fetched_at: Mapped[datetime | None] = mapped_column(
        comment="When the copy was last verified, or its session last streamed."
    )

    session: Mapped[Session] = relationship(back_populates="assets")


class Row(Model):
    """One segment of a session: one row of the pile."""

    __tablename__ = "rows"
    __table_args__ = (
        UniqueConstraint("session_id", "index"),
        {"comment": "A segment of a session, with what the plan of the shards needs to know of it."},
    )

    id: Mapped[int] = mapped_column(primary_key=True, comment="Its number in this ledger.")
    session_id: Mapped[int] = mapped_column(
        ForeignKey("sessions.id"), comment="The session that it is cut from."
    )
    index: Mapped[int] = mapped_column(comment="segment_<index>.")
    first_bin: Mapped[int] = mapped_column(comment="The first bin of the segment.")
    bins: Mapped[int] = mapped_column(comment="How many bins it spans.")
    tokens: Mapped[int] = mapped_column(comment="Units times bins.")
    row_group: Mapped[int] = mapped_column(comment="Its row group in the chunk.")
    compressed_bytes: Mapped[int] = mapped_column(comment="Bytes of its column pages in the chunk.")

    session: Mapped[Session] = relationship(back_populates="rows")
