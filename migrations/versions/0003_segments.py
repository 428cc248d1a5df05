"""What is in a segment, and segments that are listed no longer."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "removed_segment",
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("path", name="pk_removed_segment"),
    )
    op.add_column("segment", sa.Column("token", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("segment", "token")
    op.drop_table("removed_segment")
