"""Findings have a life that people take part in; suppressions; answers to repeated changes."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_ADDED = {
    "assignee": sa.Text(),
    "snooze_until": _TIME,
    "snooze_count": sa.BigInteger(),
    "suppression_id": sa.Text(),
    "settled_at": _TIME,
}


def upgrade() -> None:
    for name, kind in _ADDED.items():
        op.add_column("finding", sa.Column(name, kind, nullable=True))
    op.add_column("finding", sa.Column("revision", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_table(
        "suppression",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("where", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=True),
        sa.Column("ended_at", _TIME, nullable=True),
        sa.Column("hits", sa.BigInteger(), nullable=False),
        sa.Column("last_hit_at", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_suppression"),
    )
    op.create_index("ix_suppression_ended_at", "suppression", ["ended_at"])
    op.create_table(
        "answered",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("asked", sa.Text(), nullable=False),
        sa.Column("status", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_answered"),
    )
    op.create_index("ix_answered_at", "answered", ["at"])


def downgrade() -> None:
    op.drop_table("answered")
    op.drop_table("suppression")
    for name in ("revision", *_ADDED):
        op.drop_column("finding", name)
