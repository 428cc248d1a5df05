"""CloudWatch metrics: which series are kept, what a period sums, and what becomes of records that are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gatewatch.errors import UsageError
from gatewatch.frames import METRICS
from ingest.metrics import Metrics, read_metrics

STAGE = [{"Name": "ApiName", "Value": "orders"}, {"Name": "Stage", "Value": "prod"}]


def a_series(**more: Any) -> dict[str, Any]:
    return {
        "Namespace": "AWS/ApiGateway",
        "MetricName": "Count",
        "Dimensions": STAGE,
        "Period": 60,
        "Stat": "Sum",
        "Timestamps": ["2026-06-09T12:00:00Z", "2026-06-09T12:01:00+00:00", "2026-06-09T12:05:00Z"],
        "Values": [3, 4.0, 5],
        **more,
    }


def a_record(minute: int, total: float, **more: Any) -> dict[str, Any]:
    return {
        "metric_stream_name": "s",
        "account_id": "123456789012",
        "region": "eu-west-1",
        "namespace": "AWS/ApiGateway",
        "metric_name": "Count",
        "dimensions": {"ApiId": "a1b2c3", "Stage": "prod"},
        "timestamp": 1781006400000 + minute * 60_000,
        "value": {"max": 1.0, "min": 1.0, "sum": total, "count": total},
        "unit": "Count",
        **more,
    }


def read(folder: Path, *rows: object) -> Metrics:
    path = folder / "metrics.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return read_metrics([str(path)])


def values(found: Metrics) -> list[tuple[str, str | None, str | None, float]]:
    rows = found.table.to_pylist()
    return [(row["at"].strftime("%H:%M"), row["api"] or row["api_name"], row["stage"], row["value"]) for row in rows]


def test_minutes_are_summed_to_periods_of_five(tmp_path: Path) -> None:
    found = read(tmp_path, a_series())
    assert found.table.schema == METRICS
    assert values(found) == [("12:00", "orders", "prod", 7.0), ("12:05", "orders", "prod", 5.0)]
    assert set(found.table.column("period_s").to_pylist()) == {300}


def test_longer_periods_stay_as_they_are(tmp_path: Path) -> None:
    found = read(tmp_path, a_series(Period=3600, Timestamps=[1781006400, 1781010000], Values=[60, 70]))
    assert values(found) == [("12:00", "orders", "prod", 60.0), ("13:00", "orders", "prod", 70.0)]
    assert set(found.table.column("period_s").to_pylist()) == {3600}


def test_streamed_records_say_account_and_region_and_the_last_of_a_minute_counts(tmp_path: Path) -> None:
    found = read(tmp_path, a_record(0, 5), a_record(1, 6), a_record(0, 9))
    assert values(found) == [("12:00", "a1b2c3", "prod", 15.0)]
    assert found.table.column("account").to_pylist() == ["123456789012"]
    assert found.records == found.kept == 3


def test_a_sum_is_preferred_to_a_sample_count_of_the_same_series(tmp_path: Path) -> None:
    both = [a_series(Stat="SampleCount", Values=[1, 1, 1]), a_series()]
    assert [value for *_, value in values(read(tmp_path, *both))] == [7.0, 5.0]
    assert [value for *_, value in values(read(tmp_path, both[0]))] == [2.0, 1.0]


@pytest.mark.parametrize(
    "other",
    [
        a_series(MetricName="Latency"),
        a_series(Namespace="AWS/Lambda"),
        a_series(Stat="Average"),
        a_series(Dimensions=[*STAGE, {"Name": "Method", "Value": "GET"}, {"Name": "Resource", "Value": "/pets"}]),
        a_series(Dimensions=[]),
        a_record(0, 1, namespace="AWS/Lambda"),
        a_record(0, 1, dimensions={"FunctionName": "x"}),
    ],
)
def test_series_that_detection_does_not_use_are_counted_and_passed_over(tmp_path: Path, other: dict[str, Any]) -> None:
    found = read(tmp_path, other)
    assert (found.records, found.kept, found.table.num_rows, found.rejects.count) == (1, 0, 0, 0)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("{cut", "not JSON"),
        ({"MetricName": "Count"}, "no metric"),
        (a_series(Values=[]), "differ in length"),
        (a_series(Timestamps=["x", "y", "z"]), "'x' is no ISO 8601 time"),
        (a_series(Timestamps=[True, 1, 2]), "neither a text nor a number"),
        (a_series(Timestamps=[1e300, 1, 2]), "is no time"),
        (a_series(Values=["a", 1, 2]), "a value is no number"),
        (a_record(0, 1, value={"max": 1}), "value has no sum"),
        (a_record(0, 1, value=3), "value no object"),
        (a_record(0, 1, timestamp=None), "no timestamp"),
        (a_record(0, 1, timestamp=10**19), "is no time"),
    ],
)
def test_a_bad_record_is_named_and_the_others_count(tmp_path: Path, bad: object, why: str) -> None:
    found = read(tmp_path, a_record(0, 5), bad, a_record(1, 6))
    assert values(found) == [("12:00", "a1b2c3", "prod", 11.0)]
    assert found.rejects.count == 1
    assert "line 2: " in found.rejects.named[0]
    assert why in found.rejects.named[0]


def test_a_file_without_one_metric_is_an_error_that_names_the_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"metrics\.jsonl: line 1: no metric"):
        read(tmp_path, {"a": 1})
