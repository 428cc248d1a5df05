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


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Settings of an empty store."""
    if request.param == "sqlite":
        yield Settings(data_dir=tmp_path / "data")
        return
    running: Server = request.getfixturevalue("postgres")
    database = f"t{next(_numbers)}"
    running.create(database)
    yield Settings(data_dir=tmp_path / "data", database_url=SecretStr(running.url(database)))
    running.drop(database)


@pytest.fixture
def state(settings: Settings) -> Iterator[State]:
    opened = open_state(settings)
    yield opened
    opened.close()
