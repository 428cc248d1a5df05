"""Routing and delivery of alerts: notices, groups, silences, breakers, and what went over the wire."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "alert_notice",
        sa.Column("id", _ID, nullable=False),
        sa.Column("finding_id", sa.Text(), nullable=False),
        sa.Column("transition", sa.Text(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alert_notice"),
        sa.UniqueConstraint("finding_id", "transition", name="uq_alert_notice_finding_id_transition"),
    )
    op.create_table(
        "alert_group",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("due_at", _TIME, nullable=True),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alert_group"),
    )
    op.create_index("ix_alert_group_due_at", "alert_group", ["due_at"])
    op.create_table(
        "alert_said",
        sa.Column("finding_id", sa.Text(), nullable=False),
        sa.Column("transition", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("outbox_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("finding_id", "transition", "channel", name="pk_alert_said"),
    )
    op.create_index("ix_alert_said_outbox_id", "alert_said", ["outbox_id"])
    op.create_table(
        "silence",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("matchers", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("starts_at", _TIME, nullable=False),
        sa.Column("ends_at", _TIME, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("told_at", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_silence"),
    )
    op.create_index("ix_silence_ends_at", "silence", ["ends_at"])
    op.create_table(
        "channel_breaker",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("open_until", _TIME, nullable=True),
        sa.Column("failed_at", _TIME, nullable=True),
        sa.Column("sent_at", _TIME, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("channel", name="pk_channel_breaker"),
    )
    op.create_table(
        "channel_memory",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("channel", "group_id", name="pk_channel_memory"),
    )
    op.add_column("outbox", sa.Column("rank", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("outbox", sa.Column("group_id", sa.Text(), nullable=False, server_default=""))
    op.add_column("outbox", sa.Column("stood_in", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("delivery", sa.Column("wire", sa.Text(), nullable=False, server_default="[]"))


def downgrade() -> None:
    op.drop_column("delivery", "wire")
    for name in ("stood_in", "group_id", "rank"):
        op.drop_column("outbox", name)
    for name in ("channel_memory", "channel_breaker", "silence", "alert_said", "alert_group", "alert_notice"):
        op.drop_table(name)
