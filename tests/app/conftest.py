"""The whole application on a store with an account of each role."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from gatewatch.app import build_app
from gatewatch.settings import Settings
from gatewatch.store.state import State, open_state
from tests.people import add_people


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data")


@pytest.fixture
def state(settings: Settings) -> Iterator[State]:
    opened = open_state(settings)
    add_people(opened)
    yield opened
    opened.close()


@pytest.fixture
def client(settings: Settings, state: State) -> Iterator[TestClient]:
    with TestClient(build_app(settings), base_url="http://localhost:8080") as opened:
        yield opened
