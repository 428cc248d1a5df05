"""A mark that each change of a finding moves, whoever makes it: an answer about findings holds as long as it does."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "finding_mark",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("mark", sa.BigInteger(), nullable=False),
        sa.Column("tx", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_finding_mark"),
    )
    op.execute("INSERT INTO finding_mark (id, mark, tx) VALUES (1, 0, 0)")
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("INSERT", "UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER finding_mark_{verb.lower()} AFTER {verb} ON finding "
                "BEGIN UPDATE finding_mark SET mark = mark + 1; END"
            )
        return
    # Once a transaction, and at its end: the row is locked for the time of a commit, after all other locks were taken,
    # so that it keeps nobody waiting and nobody waits in a circle.
    op.execute(
        "CREATE FUNCTION finding_marked() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN UPDATE finding_mark SET mark = mark + 1, tx = txid_current() WHERE tx <> txid_current(); "
        "RETURN NULL; END $$"
    )
    op.execute(
        "CREATE CONSTRAINT TRIGGER finding_mark AFTER INSERT OR UPDATE OR DELETE ON finding "
        "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION finding_marked()"
    )


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("insert", "update", "delete"):
            op.execute(f"DROP TRIGGER finding_mark_{verb}")
    else:
        op.execute("DROP TRIGGER finding_mark ON finding")
        op.execute("DROP FUNCTION finding_marked()")
    op.drop_table("finding_mark")
