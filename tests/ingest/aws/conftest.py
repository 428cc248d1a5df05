"""An empty AWS double and a connection to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ingest.aws.pace import Pace
from ingest.aws.session import Aws, Connection
from ingest.aws.spending import Budget, InMemory, Till
from tests.awsdouble import KEYS, Double, aws_double

REGION = "eu-west-1"


@pytest.fixture(name="double")
def _double(monkeypatch: pytest.MonkeyPatch) -> Iterator[Double]:
    for name in ("AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with aws_double() as double:
        yield double


@pytest.fixture(name="ledger")
def _ledger() -> InMemory:
    return InMemory()


@pytest.fixture(name="aws")
def _aws(double: Double, ledger: InMemory) -> Aws:
    """A connection that need not wait for its turn."""
    connection = Connection("main", (REGION,), endpoint_url=double.url)
    return Aws(connection, Till(ledger, Budget(1.0, 5.0, 10_000)), Pace(sleep=lambda seconds: None))
