"""Runs the migrations on the connection that gatewatch.store.migrate hands over; needs no alembic.ini."""

from alembic import context

from gatewatch.store.models import Base

connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("run `gatewatch db upgrade`; to write a migration, see gatewatch.store.migrate")
# One transaction for all, on SQLite too: a migration that is killed leaves the database as it was.
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transactional_ddl=True,
    compare_type=True,
)
context.run_migrations()
