"""What all tables share, and the tables that every process of a ledger shares."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Enum, MetaData, Text, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as POSTGRES_UUID
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


def stored_by_value(kind: type[StrEnum], name: str) -> Enum:
    """Return a text column type that admits the enum's values, so that SQL reads as words."""
    return Enum(
        kind,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=20,
        values_callable=lambda members: [member.value for member in members],
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


class RequestSlot(Model):
    """When the next request to a host may be made, for all workers together."""

    __tablename__ = "request_slots"
    __table_args__ = ({"comment": "Archives' rate limits, shared by all workers."},)

    host: Mapped[str] = mapped_column(primary_key=True, comment="The archive's host.")
    next_at: Mapped[datetime] = mapped_column(comment="When the next request may be made.")


class LedgerMark(Model):
    """The ledger's own name, and the sweeper's pulse: one row."""

    __tablename__ = "ledger_mark"
    __table_args__ = (
        CheckConstraint("singleton", name="one_row"),
        {"comment": "The ledger's own name, which its store carries too; and the sweeper's pulse."},
    )

    singleton: Mapped[bool] = mapped_column(
        primary_key=True, server_default="true", comment="There is one row."
    )
    ledger_id: Mapped[UUID] = mapped_column(
        POSTGRES_UUID, server_default=func.gen_random_uuid(), comment="A store with another name is refused."
    )
    swept_at: Mapped[datetime | None] = mapped_column(comment="When the sweeper last ended a round.")
    grace_until: Mapped[datetime | None] = mapped_column(comment="Until then no lease is expired.")
