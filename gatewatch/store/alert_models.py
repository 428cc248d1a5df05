"""The tables of alerts: what is to be said, what was said, what waits to be sent, and how sending goes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from gatewatch.records import JSON
from gatewatch.store.base import Base, BigId
from gatewatch.store.columns import Json


class NoticeRow(Base):
    """Something became of a finding, and routing has not finished with it; written with the finding's change."""

    __tablename__ = "alert_notice"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    finding_id: Mapped[str]
    transition: Mapped[str]
    at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("finding_id", "transition"),)


class GroupRow(Base):
    """What one route and channel says together. body: alerts.groups.Group as JSON. due_at: None, nothing to do."""

    __tablename__ = "alert_group"
    id: Mapped[str] = mapped_column(primary_key=True)
    channel: Mapped[str]
    body: Mapped[JSON] = mapped_column(Json())
    due_at: Mapped[datetime | None] = mapped_column(index=True)
    updated_at: Mapped[datetime]


class SaidRow(Base):
    """A finding's transition went into an alert of this channel: never into a second one."""

    __tablename__ = "alert_said"
    finding_id: Mapped[str] = mapped_column(primary_key=True)
    transition: Mapped[str] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)
    outbox_id: Mapped[str] = mapped_column(index=True)


class SilenceRow(Base):
    """Alerts that match are not sent in [starts_at, ends_at). told_at: when its end was announced."""

    __tablename__ = "silence"
    id: Mapped[str] = mapped_column(primary_key=True)
    matchers: Mapped[JSON] = mapped_column(Json())
    reason: Mapped[str]
    author: Mapped[str]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime] = mapped_column(index=True)
    created_at: Mapped[datetime]
    told_at: Mapped[datetime | None]


class OutboxRow(Base):
    """An alert to send. state: pending, sending (leased), sent or dead. attempts: the lease's epoch, too.

    rank: that of its severity; the highest leave first. group_id: alerts of one group leave one after another.
    """

    __tablename__ = "outbox"
    seq: Mapped[int] = mapped_column(BigId, primary_key=True)
    id: Mapped[str] = mapped_column(unique=True)
    finding_id: Mapped[str]
    transition: Mapped[str]
    channel: Mapped[str]
    payload: Mapped[JSON] = mapped_column(Json())
    state: Mapped[str]
    attempts: Mapped[int]
    next_at: Mapped[datetime]
    holder: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    error: Mapped[str | None]
    rank: Mapped[int] = mapped_column(default=0)
    group_id: Mapped[str] = mapped_column(default="")
    stood_in: Mapped[bool] = mapped_column(default=False)
    __table_args__ = (
        UniqueConstraint("finding_id", "transition", "channel"),
        Index(None, "state", "next_at"),
    )


class DeliveryRow(Base):
    """One attempt to send. outcome: sent, retry or dead. wire: what went out and came back, without secrets."""

    __tablename__ = "delivery"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    outbox_id: Mapped[str] = mapped_column(ForeignKey("outbox.id"))
    at: Mapped[datetime]
    attempt: Mapped[int]
    holder: Mapped[str | None]
    outcome: Mapped[str]
    error: Mapped[str | None]
    wire: Mapped[JSON] = mapped_column(Json())
    __table_args__ = (Index(None, "outbox_id"),)


class BreakerRow(Base):
    """failures: in a row. open_until: until then the channel is left alone."""

    __tablename__ = "channel_breaker"
    channel: Mapped[str] = mapped_column(primary_key=True)
    failures: Mapped[int]
    open_until: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    error: Mapped[str | None]


class ChannelMemoryRow(Base):
    """What a channel must know to change the message of a group later, such as Slack's time stamp of it."""

    __tablename__ = "channel_memory"
    channel: Mapped[str] = mapped_column(primary_key=True)
    group_id: Mapped[str] = mapped_column(primary_key=True)
    body: Mapped[JSON] = mapped_column(Json())
    updated_at: Mapped[datetime]
