"""Every test of the store runs twice: on SQLite, and on a PostgreSQL server that the session starts.

A server that cannot be started fails the tests; nothing is skipped.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from gatewatch.settings import Settings
from gatewatch.store.state import State, open_state
from tests.store.postgres import Server, server

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    with server() as running:
        yield running


@pytest.fixture(scope="session")
def migrated(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database that the migrations have been over; those of tests are copies of it."""
    postgres.create("migrated")
    folder = tmp_path_factory.mktemp("migrated")
    open_state(Settings(data_dir=folder / "data", database_url=SecretStr(postgres.url("migrated")))).close()
    return "migrated"


@pytest.fixture
def template(request: pytest.FixtureRequest) -> str | None:
    """What a new PostgreSQL database of a test begins as."""
    found: str = request.getfixturevalue("migrated")
    return found


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Settings of an empty store."""
    if request.param == "sqlite":
        yield Settings(data_dir=tmp_path / "data")
        return
    running: Server = request.getfixturevalue("postgres")
    database = f"t{next(_numbers)}"
    running.create(database, request.getfixturevalue("template"))
    yield Settings(data_dir=tmp_path / "data", database_url=SecretStr(running.url(database)))
    running.drop(database)


@pytest.fixture
def state(settings: Settings) -> Iterator[State]:
    opened = open_state(settings)
    yield opened
    opened.close()
