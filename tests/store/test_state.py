from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import inspect, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from gatewatch.errors import SchemaError, StoreError, UsageError
from gatewatch.settings import Settings
from gatewatch.store.engine import make_engine
from gatewatch.store.migrate import current_revision, head_revision, migrate, prepare, upgrade
from gatewatch.store.models import SCHEMA, Base, MetaRow, SourceRow
from gatewatch.store.state import State, open_state
from tests.store.postgres import Server

AT = datetime(2026, 6, 9, 12, 0, tzinfo=UTC)


@pytest.fixture
def template() -> None:
    """None: here every store begins with nothing."""


@pytest.fixture(autouse=True)
def really_migrated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatewatch.store.state.prepare", prepare)


def test_the_newest_migration_is_the_one_the_program_writes() -> None:
    assert head_revision() == SCHEMA


def test_migrations_make_the_tables_that_the_models_describe_and_take_them_away_again(settings: Settings) -> None:
    assert upgrade(settings) == (None, SCHEMA)
    assert upgrade(settings) == (SCHEMA, SCHEMA)
    engine = make_engine(settings.state_url)
    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, Base.metadata) == []
        with engine.execution_options(writes=True).begin() as connection:
            migrate(connection, "base")
        with engine.connect() as connection:
            assert inspect(connection).get_table_names() == ["alembic_version"]
            assert current_revision(connection) is None
    finally:
        engine.dispose()


def test_a_newer_database_is_refused_and_left_alone(settings: Settings) -> None:
    state = open_state(settings)
    with state.begin() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    state.close()
    with pytest.raises(SchemaError, match=r"[^:]: database schema 9999 is newer than this gatewatch"):
        open_state(settings)
    with pytest.raises(SchemaError, match="newer"):
        upgrade(settings)


def test_an_older_database_with_data_waits_for_an_upgrade(settings: Settings) -> None:
    from gatewatch.store import migrate as module

    state = open_state(settings)
    with state.begin() as session:
        session.add(SourceRow(name="a", kind="folder", location="/logs", follow=True, created_at=AT))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SCHEMA", "9998")
        with pytest.raises(SchemaError, match="run `gatewatch db upgrade`"):
            module.prepare(state.engine, settings)
    state.close()


def test_a_migration_that_fails_leaves_nothing_behind(settings: Settings) -> None:
    engine = make_engine(settings.state_url)
    settings.data_dir.mkdir(exist_ok=True)
    try:
        with engine.execution_options(writes=True).connect() as connection, connection.begin() as transaction:
            migrate(connection, "head")
            transaction.rollback()
        with engine.connect() as connection:
            assert inspect(connection).get_table_names() == []
    finally:
        engine.dispose()


def test_two_that_open_an_empty_store_at_once_both_succeed(settings: Settings) -> None:
    failed: list[BaseException] = []

    def go() -> None:
        try:
            open_state(settings).close()
        except BaseException as error:  # noqa: BLE001
            failed.append(error)

    threads = [threading.Thread(target=go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_whoever_opens_a_new_store_waits_for_the_one_that_is_at_it(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    other = sqlite3.connect(tmp_path / "state.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    done = threading.Event()
    engine = make_engine(settings.state_url)

    def go() -> None:
        with engine.connect() as connection:
            assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        done.set()

    thread = threading.Thread(target=go)
    thread.start()
    assert not done.wait(0.2)
    other.execute("COMMIT")
    other.close()
    thread.join()
    assert done.is_set()
    engine.dispose()


def test_other_users_cannot_read_the_data(settings: Settings) -> None:
    state = open_state(settings)
    with state.begin() as session:
        session.add(MetaRow(key="a", value=1))
    for path in [settings.data_dir, *settings.data_dir.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    state.close()


def test_nothing_is_made_when_asked_not_to(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no gatewatch data here"):
        open_state(Settings(data_dir=tmp_path / "none"), create=False)
    assert not (tmp_path / "none").exists()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError, match=str(tmp_path)):
        open_state(Settings(data_dir=tmp_path))


@pytest.mark.parametrize("url", ["mysql://a/b", "nonsense"])
def test_only_two_databases_are_supported(url: str) -> None:
    with pytest.raises(UsageError):
        make_engine(url)


def test_a_failed_transaction_leaves_nothing(state: State) -> None:
    def write_and_fail(session: Session) -> None:
        session.add(MetaRow(key="a", value=1))
        session.flush()
        raise RuntimeError

    with pytest.raises(RuntimeError):
        state.run(write_and_fail)
    with state.read() as session:
        assert session.get(MetaRow, "a") is None


def test_sqlite_is_durable_and_keeps_its_references(tmp_path: Path) -> None:
    state = open_state(Settings(data_dir=tmp_path))
    with state.read() as session:
        answers = [session.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous")]
        assert answers == ["wal", 2]
        assert session.execute(text("PRAGMA foreign_keys")).scalar() == 1
        assert session.execute(text("PRAGMA busy_timeout")).scalar() == 30000
    state.close()


def test_writers_wait_for_each_other_and_lose_nothing(state: State) -> None:
    with state.begin() as session:
        session.add(MetaRow(key="n", value=0))

    def count_up() -> None:
        for _ in range(10):

            def once(session: Session) -> None:
                row = session.get_one(MetaRow, "n", with_for_update=True)
                assert isinstance(row.value, int)
                row.value += 1

            state.run(once)

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with state.read() as session:
        row = session.get(MetaRow, "n")
        assert row is not None
        assert row.value == 40


def test_a_read_sees_one_moment(state: State) -> None:
    with state.begin() as session:
        session.add(MetaRow(key="a", value=1))
    with state.read() as session:
        assert session.execute(text("SELECT count(*) FROM meta")).scalar() == 1
        with state.begin() as other:
            other.add(MetaRow(key="b", value=2))
        assert session.execute(text("SELECT count(*) FROM meta")).scalar() == 1


def test_mistakes_in_our_own_sql_are_not_hidden(state: State) -> None:
    with pytest.raises((StoreError, ProgrammingError)), state.begin() as session:
        session.execute(text("SELECT * FROM no_such_table"))


def test_the_database_clock_is_utc(state: State) -> None:
    with state.read() as session:
        assert abs(state.db_now(session) - datetime.now(UTC)) < timedelta(seconds=5)
        assert state.db_now(session).tzinfo is UTC


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.text(st.characters(), min_size=1, max_size=30),
    value=st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=5,
    ),
    at=st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),
)
def test_any_text_json_and_time_comes_back_as_it_was(state: State, name: str, value: object, at: datetime) -> None:
    with state.begin() as session:
        session.execute(text("DELETE FROM source"))
        session.execute(text("DELETE FROM meta"))
        session.add(SourceRow(name=name, kind=name, location=name, follow=True, created_at=at))
        session.add(MetaRow(key="k", value=value))
    with state.read() as session:
        row = session.get(SourceRow, name)
        assert row is not None
        assert (row.location, row.created_at) == (name, at)
        meta = session.get(MetaRow, "k")
        assert meta is not None
        assert meta.value == value


def test_a_naive_time_is_refused(state: State) -> None:
    with pytest.raises(Exception, match="naive"), state.begin() as session:
        session.add(SourceRow(name="a", kind="b", location="c", follow=False, created_at=datetime(2026, 1, 1)))


def test_a_connection_that_breaks_is_replaced_and_the_transaction_done_again(postgres: Server, tmp_path: Path) -> None:
    postgres.create("broken")
    state = open_state(Settings(data_dir=tmp_path, database_url=SecretStr(postgres.url("broken"))))
    tries = 0

    def count_up(session: Session) -> None:
        nonlocal tries
        tries += 1
        session.add(MetaRow(key="n", value=tries))
        session.flush()
        if tries < 3:
            pid = session.execute(text("SELECT pg_backend_pid()")).scalar()
            with psycopg.connect(postgres.url("broken"), autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s)", (pid,))
            session.execute(text("SELECT 1"))

    state.run(count_up)
    with state.read() as session:
        assert (tries, session.get_one(MetaRow, "n").value) == (3, 3)
    state.close()
    postgres.drop("broken")


def test_a_database_that_is_away_is_said_in_one_line_without_its_password(tmp_path: Path) -> None:
    url = f"postgresql://me:hunter2@/none?host={tmp_path}"
    with pytest.raises(StoreError) as caught:
        open_state(Settings(data_dir=tmp_path / "d", database_url=SecretStr(url)))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("PostgreSQL: ")
    assert "hunter2" not in str(caught.value)


FILL = """
import resource, signal, sys
from pathlib import Path
from gatewatch.errors import StoreError
from gatewatch.settings import Settings
from gatewatch.store.models import MetaRow
from gatewatch.store.state import open_state
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
state = open_state(Settings(data_dir=Path(sys.argv[1])))
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
try:
    with state.begin() as session:
        session.add(MetaRow(key="big", value="x" * 5_000_000))
except StoreError as error:
    print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    with state.begin() as session:
        session.add(MetaRow(key="small", value=1))
    with state.read() as session:
        assert session.get(MetaRow, "big") is None and session.get(MetaRow, "small") is not None
    sys.exit(error.exit_code)
finally:
    state.close()
"""


def test_a_full_disk_refuses_the_transaction_names_the_directory_and_passes(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FILL, tmp_path], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.startswith(f"{tmp_path}: ")
    assert done.stdout.count("\n") == 1
