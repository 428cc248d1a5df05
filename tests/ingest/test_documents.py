"""Files beside the logs: what is right is read, what is wrong is named by file and line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from gatewatch.errors import UsageError
from ingest.documents import count_metrics, count_traces, read_inventory, read_networks

SERIES = {"Namespace": "AWS/ApiGateway", "MetricName": "Count", "Timestamps": ["2026-06-09T12:00:00Z"], "Values": [3]}
TRACE = {"Id": "1-5f-1", "Segments": [{"Id": "a", "Document": "{}"}]}


def a_file(folder: Path, text: str, name: str = "file") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_metrics_come_as_lines_lists_or_a_document(tmp_path: Path) -> None:
    line = json.dumps(SERIES)
    assert count_metrics(a_file(tmp_path, f"{line}\n\n{line}\n")) == 2
    assert count_metrics(a_file(tmp_path, f"[{line},{line},{line}]")) == 3
    assert count_metrics(a_file(tmp_path, json.dumps({"MetricDataResults": [SERIES]}, indent=2))) == 1
    streamed = {"metric_stream_name": "s", "metric_name": "Count", "value": {"sum": 1.0}}
    assert count_metrics(a_file(tmp_path, json.dumps(streamed))) == 1


def test_traces_are_xray_items_or_spans(tmp_path: Path) -> None:
    assert count_traces(a_file(tmp_path, json.dumps(TRACE) + "\n" + json.dumps({"traceId": "x", "spanId": "y"}))) == 2
    assert count_traces(a_file(tmp_path, json.dumps({"Traces": [TRACE]}))) == 1


def test_gzip_is_recognised_by_its_first_bytes(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    path.write_bytes(gzip.compress(json.dumps(SERIES).encode()))
    assert count_metrics(str(path)) == 1


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "the file is empty"),
        ("{bad\n", "line 1: not JSON"),
        (json.dumps(SERIES) + "\n{cut", "line 2: not JSON"),
        (json.dumps(SERIES) + "\n3\n", "line 2: no JSON object"),
        ('{\n  "a": 1,\n  oops\n}', "line 3: not JSON"),
        ("[" * 100_000, "line 1: not JSON"),
        ('{"MetricName": "Count"}', "line 1: no metric"),
        (json.dumps({**SERIES, "Values": []}), "differ in length"),
        ('{"MetricDataResults": 1}', "MetricDataResults is no list"),
        ("[1]", "record 1 is no JSON object"),
    ],
)
def test_a_bad_metrics_file_is_named_with_the_line(tmp_path: Path, text: str, complaint: str) -> None:
    path = a_file(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        count_metrics(path)
    assert complaint in str(caught.value)
    assert str(caught.value).startswith(path)


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="absent: No such file"):
        count_traces(str(tmp_path / "absent"))
    cut = tmp_path / "cut.gz"
    cut.write_bytes(gzip.compress(b"x" * 9999)[:20])
    with pytest.raises(UsageError, match=r"cut\.gz: .*ended"):
        read_inventory(str(cut))
    (tmp_path / "latin").write_bytes(b"a\nb\xff")
    with pytest.raises(UsageError, match="latin: line 2: not UTF-8"):
        read_networks(str(tmp_path / "latin"))


def test_an_inventory_is_one_object_with_apis(tmp_path: Path) -> None:
    assert read_inventory(a_file(tmp_path, '{"restApis": [{"id": "a1"}]}'))["restApis"] == [{"id": "a1"}]
    for text, complaint in [("[]", "one JSON object"), ("{}", "has none of"), ('{"httpApis": [1]}', "no list of obj")]:
        with pytest.raises(UsageError, match=complaint):
            read_inventory(a_file(tmp_path, text))


def test_networks_are_rows_with_or_without_head_and_name(tmp_path: Path) -> None:
    rows = read_networks(a_file(tmp_path, "network,asn,name\n198.51.100.0/24,64500,Example\n2001:db8::/32,AS64501\n"))
    assert [(str(row.network), row.asn, row.name) for row in rows] == [
        ("198.51.100.0/24", "AS64500", "Example"),
        ("2001:db8::/32", "AS64501", None),
    ]
    for text, complaint in [("10.0.0.0/8", "a row is"), ("a,1", "'a' is no network"), ("10.0.0.0/8,x", "no AS number")]:
        with pytest.raises(UsageError, match=f"line 1: .*{complaint}"):
            read_networks(a_file(tmp_path, text))
