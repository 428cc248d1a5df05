"""`gatewatch sources`: what is registered is checked, looked at, listed and removed."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from gatewatch.cli import main
from gatewatch.jobs import held
from gatewatch.settings import Settings
from gatewatch.store.leases import last_run
from gatewatch.store.sources import look_job
from gatewatch.store.state import open_state
from tests.following.objects import BUCKET, a_bucket
from tests.following.test_s3 import kept, lines


def test_a_source_is_added_looked_at_listed_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GATEWATCH_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.log").write_bytes(lines(range(5)))
    with a_bucket(random.Random(1)) as bucket:
        monkeypatch.setenv("GATEWATCH_AWS_ENDPOINT_URL", bucket.url)
        bucket.objects = {"apigw/a.log": lines(range(10, 17))}
        assert main(["sources", "add", "folder", str(tmp_path / "logs")]) == 0
        assert main(["sources", "add", "orders", f"s3://{BUCKET}/apigw/", "--region", "eu-west-1"]) == 0
        assert (
            main(["sources", "add", "pets", "arn:aws:logs:eu-west-1:1:log-group:/aws/pets", "--late-minutes", "5"]) == 0
        )
        assert main(["sources", "look", "folder", "orders"]) == 0
        assert main(["sources", "look"]) == 3  # the bucket is no log group
        assert "pets" in capsys.readouterr().err
    assert main(["sources", "list", "--format", "json"]) == 0
    found = {one["name"]: one for one in json.loads(capsys.readouterr().out)["sources"]}
    assert {name: (one["kind"], one.get("accepted")) for name, one in found.items()} == {
        "folder": ("files", 5),
        "orders": ("s3", 7),
        "pets": ("cloudwatch_logs", None),
    }
    assert found["pets"]["options"] == {"late_minutes": 5}
    assert main(["sources", "list"]) == 0
    assert main(["sources", "remove", "folder"]) == 0
    assert main(["sources", "remove", "folder"]) == 2
    state = open_state(Settings(data_dir=tmp_path / "data"))
    assert kept(state) == [*range(5), *range(10, 17)]
    state.close()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("s3://UPPER/x",), "no s3://BUCKET/PREFIX"),
        (("s3://bucket-x", "--queue", "q"), "URL of an SQS queue"),
        (("x", "--kind", "ftp"), "there are files, cloudtrail, cloudwatch_logs"),
        (("/nowhere/at/all", "--kind", "files"), "is no folder"),
        ((".", "--region", "eu-west-1"), "a folder takes no region"),
    ],
)
def test_what_cannot_be_a_source_is_refused_at_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    why: str,
) -> None:
    monkeypatch.setenv("GATEWATCH_DATA_DIR", str(tmp_path / "data"))
    assert main(["sources", "add", "x", *arguments]) == 2
    assert why in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_a_source_that_another_process_looks_at_is_left_to_it_and_what_was_looked_at_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two at once would read lines without an identity twice; and doctor asks when each was looked at."""
    monkeypatch.setenv("GATEWATCH_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.log").write_bytes(lines(range(5)))
    assert main(["sources", "add", "folder", str(tmp_path / "logs")]) == 0
    state = open_state(Settings(data_dir=tmp_path / "data"))
    with held(state, "source folder", "somebody else", 60.0):
        assert main(["sources", "look"]) == 0
        assert "another process looks at it now" in capsys.readouterr().err
    assert kept(state) == []
    assert main(["sources", "look"]) == 0
    assert kept(state) == [*range(5)]
    with state.read() as session:
        assert last_run(session, look_job("folder")) is not None
    state.close()
