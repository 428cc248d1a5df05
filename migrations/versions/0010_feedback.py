"""Verdicts of people on findings."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "feedback",
        sa.Column("finding_id", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["finding_id"], ["finding.id"], name="fk_feedback_finding_id_finding"),
        sa.PrimaryKeyConstraint("finding_id", name="pk_feedback"),
    )
    op.create_index("ix_feedback_fingerprint", "feedback", ["fingerprint"])


def downgrade() -> None:
    op.drop_table("feedback")
