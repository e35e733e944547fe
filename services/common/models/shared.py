"""What all processes of a ledger share: its name, the sweeper's pulse, and the archives' rate limits."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, func
from sqlalchemy.dialects.postgresql import UUID as POSTGRES_UUID
from sqlalchemy.orm import Mapped, mapped_column

from services.common.models.base import Model


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
        CheckConstraint("one", name="one_row"),
        {"comment": "The ledger's own name, which its store carries too; and the sweeper's pulse."},
    )

    one: Mapped[bool] = mapped_column(primary_key=True, server_default="true", comment="There is one row.")
    ledger_id: Mapped[UUID] = mapped_column(
        POSTGRES_UUID, server_default=func.gen_random_uuid(), comment="A store with another name is refused."
    )
    swept_at: Mapped[datetime | None] = mapped_column(comment="When the sweeper last ended a round.")
    grace_until: Mapped[datetime | None] = mapped_column(comment="Until then no lease is expired.")
