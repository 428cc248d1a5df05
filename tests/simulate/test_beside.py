"""What stands beside the logs agrees with the calls, and is read by the readers of people's own files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import cast

import pytest

from gatewatch.simulate.model import HOUR_MS, Settings
from gatewatch.simulate.write import Plot, Written, write_world
from ingest.changes import read_changes
from ingest.metrics import read_metrics
from ingest.traces import read_traces

SETTINGS = Settings(seed=9, days=1, apis=13, rate_rps=1.5, end_ms=1_780_000_000_000 // HOUR_MS * HOUR_MS, plant=False)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return write_world(SETTINGS, tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def plot(tmp_path_factory: pytest.TempPathFactory) -> Plot:
    return Plot.of(SETTINGS, tmp_path_factory.mktemp("plot"))


def _lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_count_metrics_tell_every_call_of_rest_and_http_apis_and_every_connection(world: Written, plot: Plot) -> None:
    found = read_metrics([str(world.out / "metrics.jsonl")])
    assert not found.rejects.count
    total: dict[str, dict[str, float]] = {"Count": {}, "ConnectCount": {}}
    for row in found.table.to_pylist():
        mine = total[row["metric"]]
        mine[row["api"] or row["api_name"]] = mine.get(row["api"] or row["api_name"], 0) + row["value"]
    talking = [api for api in plot.world.apis if api.kind == "websocket"]
    assert total["Count"] == {
        api.name if api.kind == "rest" else api.id: world.requests[api.id]
        for api in plot.world.apis
        if api not in talking
    }
    assert total["ConnectCount"] == {
        api.id: sum(
            int((plot.calls(chunk).route == place).sum())
            for chunk in plot.world.chunks(api)
            for place, route in enumerate(api.routes)
            if route.resource == "$connect"
        )
        for api in talking
    }


def test_minutes_without_calls_have_no_datapoint(world: Written, plot: Plot) -> None:
    quiet = plot.world.apis[-1]
    assert quiet.rate_rps < 0.01
    times = 0
    for record in _lines(world.out / "metrics.jsonl"):
        told = json.dumps(record["Dimensions"])
        if record["MetricName"] in ("Count", "MessageCount") and (quiet.name in told or quiet.id in told):
            times += len(cast(list[object], record["Timestamps"]))
    assert 0 < times < 1440


def test_traces_take_as_long_in_each_layer_as_their_calls(world: Written, plot: Plot) -> None:
    found = read_traces([str(world.out / "traces.jsonl")])
    assert found.traced > 300
    assert not found.rejects.count
    assert not found.elsewhere
    whole: dict[str, float] = {}
    layers: dict[str, dict[str, float]] = {}
    for row in found.table.to_pylist():
        whole[row["trace_id"]] = whole.get(row["trace_id"], 0) + row["ms"]
        parts = layers.setdefault(row["trace_id"], {})
        parts[row["part"]] = parts.get(row["part"], 0) + row["ms"]
    assert {"gateway", "authorizer", "handler", "downstream", "init"} <= {part for of in layers.values() for part in of}
    calls: dict[int, set[tuple[int, int]]] = {}
    for api in plot.world.apis:
        if api.tracing:
            for chunk in plot.world.chunks(api):
                drawn = plot.calls(chunk)
                for at, latency, authorizer in zip(
                    drawn.at_ms.tolist(), drawn.latency_ms.tolist(), drawn.authorizer_ms.tolist(), strict=True
                ):
                    calls.setdefault(at // 1000, set()).add((latency, max(authorizer, 0)))
    for trace, ms in whole.items():
        second = int(trace.split("-")[1], 16)
        authorizer = layers[trace].get("authorizer", 0.0)
        assert (round(ms), round(authorizer)) in calls[second], trace


def test_changes_are_read_and_those_that_only_look_are_passed_over(world: Written, plot: Plot) -> None:
    records = _lines(world.out / "changes.jsonl")
    read = [event.change for event in read_changes([str(world.out / "changes.jsonl")])]
    assert 0 < len(read) <= len(records)
    assert {change.resource.split("/")[0] for change in read}.intersection(api.id for api in plot.world.apis)
    assert [record["eventTime"] for record in records] == sorted(str(record["eventTime"]) for record in records)


def test_every_stage_says_whose_it_is_and_of_which_environment(world: Written) -> None:
    text = (world.out / "inventory.json").read_text()
    teams, environments = (re.findall(rf'"{name}": ?"([a-z-]+)"', text) for name in ("team", "env"))
    assert len(teams) == len(environments) == SETTINGS.apis
    assert {"prod", "staging"} <= set(environments) <= {"prod", "staging", "test"}


def test_metrics_know_the_calls_whose_lines_were_lost(tmp_path: Path) -> None:
    settings = Settings(seed=1, days=8, apis=4, rate_rps=0.03, end_ms=SETTINGS.end_ms, plant=False)
    written = write_world(settings, tmp_path)
    labels = json.loads((tmp_path / "labels.json").read_text())
    gaps = [one for one in labels["benign"] if one["scenario"] == "delivery_gap"]
    assert gaps
    assert written.lost > 0
    assert sum(written.requests.values()) == written.lines - written.twice + written.lost
    told = read_metrics([str(tmp_path / "metrics.jsonl")]).table.to_pylist()
    assert sum(row["value"] for row in told) == sum(written.requests.values())
