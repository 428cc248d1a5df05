"""scan s3://… says what scan of the same files in a folder says; what cannot be read is told, and nothing is left."""

from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from gatewatch.cli import main
from tests.awsdouble import KEYS, Double, aws_double

REGION = "eu-west-1"


@pytest.fixture(name="double")
def _double(monkeypatch: pytest.MonkeyPatch) -> Iterator[Double]:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with aws_double() as double:
        monkeypatch.setenv("GATEWATCH_AWS_ENDPOINT_URL", double.url)
        yield double


def lines(api: str, first: int, count: int) -> bytes:
    return b"".join(
        json.dumps(
            {
                "requestId": f"{api}-{n}",
                "apiId": api,
                "stage": "prod",
                "requestTimeEpoch": str(1781008496000 + n * 1000),
                "httpMethod": "GET",
                "resourcePath": "/pets",
                "status": "200" if n % 7 else "403",
                "responseLatency": "12",
            }
        ).encode()
        + b"\n"
        for n in range(first, first + count)
    )


def scan(capsys: pytest.CaptureFixture[str], *paths: str, code: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["scan", *paths, "--format", "json"]) == code
    out: dict[str, Any] = json.loads(capsys.readouterr().out)
    return out


def test_a_prefix_is_read_as_a_folder_is(double: Double, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    s3 = boto3.client("s3", region_name=REGION, endpoint_url=double.url)
    s3.create_bucket(Bucket="my-logs", CreateBucketConfiguration={"LocationConstraint": REGION})
    objects = {
        "2026/06/09/a.log": lines("a1b2c3d4e5", 0, 300),
        "2026/06/09/x/b.log.gz": gzip.compress(lines("f6g7h8i9j0", 0, 200)),
        "2026/06/10/c.log": lines("a1b2c3d4e5", 300, 50),
        "inventory.json": b'{"restApis": [], "accountId": "1"}',
    }
    folder = tmp_path / "copies"
    for number, (key, body) in enumerate(objects.items()):
        s3.put_object(Bucket="my-logs", Key=f"apigw/{key}", Body=body)
        place = folder / str(number)
        place.mkdir(parents=True)
        (place / key.rsplit("/", 1)[-1]).write_bytes(body)
    before = set(Path(tempfile.gettempdir()).glob("gatewatch-s3-*"))
    there, here = scan(capsys, "s3://my-logs/apigw/"), scan(capsys, str(folder))
    assert there["accounting"] == here["accounting"]
    assert there["accounting"]["accepted"] == 550
    assert there["findings"] == here["findings"]
    assert there["passed_over"] == ["s3://my-logs/apigw/inventory.json: looks like an inventory; --inventory takes it"]
    assert scan(capsys, "s3://my-logs/apigw/2026/06/10/c.log")["accounting"]["lines"] == 50
    assert set(Path(tempfile.gettempdir()).glob("gatewatch-s3-*")) <= before


def test_what_cannot_be_read_is_one_line_and_the_others_are_read(
    double: Double, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "here.log").write_bytes(lines("a1b2c3d4e5", 0, 30))
    found = scan(capsys, str(tmp_path), "s3://no-such-bucket/x/", code=3)
    assert found["accounting"]["accepted"] == 30
    (error,) = found["errors"]
    assert error.startswith("AWS s3://no-such-bucket/x/: ListObjectsV2: not there")
    s3 = boto3.client("s3", region_name=REGION, endpoint_url=double.url)
    s3.create_bucket(Bucket="empty", CreateBucketConfiguration={"LocationConstraint": REGION})
    assert "no object below it" in scan(capsys, "s3://empty/x/", code=3)["errors"][0]
    assert "scan takes s3://BUCKET" in scan(capsys, "s3://UPPER/x", code=3)["errors"][0]
