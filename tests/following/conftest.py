"""What tests of sources share: credentials of nobody, and a botocore that does not wait between tries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from gatewatch.settings import Settings
from gatewatch.store.state import State, open_state
from tests.awsdouble import KEYS, Double, aws_double


@pytest.fixture(scope="package")
def server() -> Iterator[Double]:
    with aws_double() as found:
        yield found


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    # What botocore waits between two tries is not what is tested.
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda seconds: None))


@pytest.fixture
def double(server: Double) -> Double:
    server.calls.clear()
    server.answers.clear()
    return server


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    opened = open_state(Settings(data_dir=tmp_path / "data"))
    yield opened
    opened.close()
