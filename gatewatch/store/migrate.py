"""Brings the state's tables to the shape this program writes; refuses what it does not know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, MetaData, Table, func, inspect, select, text

from gatewatch.errors import SchemaError
from gatewatch.resources import resource
from gatewatch.settings import Settings
from gatewatch.store.engine import make_engine, told
from gatewatch.store.models import SCHEMA

if TYPE_CHECKING:
    from alembic.config import Config

_LOCK = 0x6761_7465  # one migration at a time on a shared PostgreSQL
_DATA = ("ingest_batch", "finding", "source", "user_account")


def head_revision() -> str:
    """The newest migration that travels with this program."""
    from alembic.script import ScriptDirectory

    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def current_revision(connection: Connection) -> str | None:
    """The migration the database is at; None when it has no tables of ours."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def upgrade(settings: Settings) -> tuple[str | None, str]:
    """Bring the database to `head_revision`, in one transaction: (from, to). SchemaError when it is newer."""
    from gatewatch.store.state import make_directories

    make_directories(settings)
    engine = make_engine(settings.state_url, patient=True)
    try:
        where = str(settings.data_dir) if engine.dialect.name == "sqlite" else "PostgreSQL"
        with told(where), engine.execution_options(writes=True).begin() as connection:
            _alone(connection)
            before = current_revision(connection)
            _refuse_newer(before, where)
            if before != SCHEMA:
                migrate(connection, "head")
            return before, SCHEMA
    finally:
        engine.dispose()


def prepare(engine: Engine, settings: Settings) -> None:
    """Make sure that `engine`'s database has our tables: made when there is no data yet, else SchemaError."""
    with engine.connect() as connection:
        found = current_revision(connection)
    if found == SCHEMA:
        return
    _refuse_newer(found, str(settings.data_dir) if engine.dialect.name == "sqlite" else "PostgreSQL")
    with engine.connect() as connection:
        filled = found is not None and _has_data(connection)
    if filled:
        raise SchemaError(
            f"database schema {found} is older than this gatewatch ({SCHEMA}); back up, then run `gatewatch db upgrade`"
        )
    upgrade(settings)


def migrate(connection: Connection, target: str) -> None:
    """Run the migrations up, or down to `base`, on an open transaction."""
    from alembic import command

    config = _config()
    config.attributes["connection"] = connection
    if target == "base":
        command.downgrade(config, target)
    else:
        command.upgrade(config, target)


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    # A % in the path would be read as an interpolation.
    config.set_main_option("script_location", str(resource("migrations")).replace("%", "%%"))
    return config


def _refuse_newer(revision: str | None, where: str) -> None:
    if revision is None or revision == SCHEMA:
        return
    from alembic.script import ScriptDirectory

    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if revision not in known:
        raise SchemaError(
            f"{where}: database schema {revision} is newer than this gatewatch ({SCHEMA}); "
            "install the gatewatch that wrote it, or a newer one"
        )


def _alone(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def _has_data(connection: Connection) -> bool:
    tables = inspect(connection).get_table_names()
    return any(
        connection.execute(select(func.count()).select_from(Table(name, MetaData()))).scalar_one()
        for name in _DATA
        if name in tables
    )
