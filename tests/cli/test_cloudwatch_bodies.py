"""CloudWatch takes the dashboard and the alarms that are exported; both keep its documented bounds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
import pytest

from detect.limits import Limits
from gatewatch.cli import main
from gatewatch.cli.cloudwatch import alarms, dashboard
from ingest.stagelogs import stage_logs
from tests.awsdouble import KEYS, aws_double

REGION = "eu-west-1"
GROUP = f"arn:aws:logs:{REGION}:123456789012:log-group:/aws/apigw/pets"
FORMAT = '{"id":"$context.requestId","status":"$context.status","why":"$context.error.responseType"}'


def inventory(apis: int = 1) -> dict[str, Any]:
    stage = {"stageName": "prod", "accessLogSettings": {"destinationArn": GROUP, "format": FORMAT}}
    second = {"StageName": "$default"}
    return {
        "accountId": "123456789012",
        "region": REGION,
        "restApis": [{"id": f"r{n:09}", "name": f"pets {n} ü\n<b>", "stages": [stage]} for n in range(apis)],
        "httpApis": [{"ApiId": "h000000001", "Name": "cats", "Stages": [second]}],
        "webSocketApis": [{"ApiId": "w000000001", "Name": "chat", "Stages": [{"StageName": "live"}]}],
    }


LIMITS = {("r000000000", "prod"): Limits(("1", REGION, "r000000000", "prod"), 4000, 12, 40, 3, 900)}


def test_cloudwatch_takes_them_over_http(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    logs = stage_logs(inventory())
    made = alarms(logs, LIMITS, ["arn:aws:sns:eu-west-1:123456789012:ops"])
    body, left_out = dashboard(logs, LIMITS)
    assert left_out == 0
    with aws_double() as double:
        cloudwatch = boto3.client("cloudwatch", region_name=REGION, endpoint_url=double.url)
        for one in made:
            cloudwatch.put_metric_alarm(**one)
        kept = {one["AlarmName"]: one for one in cloudwatch.describe_alarms()["MetricAlarms"]}
        cloudwatch.put_dashboard(DashboardName="gatewatch", DashboardBody=json.dumps(body))
        stored = json.loads(cloudwatch.get_dashboard(DashboardName="gatewatch")["DashboardBody"])
    assert stored == body
    assert len(kept) == len(made) == 4 + 3 + 3
    mine = {name.split("/prod ")[1]: one for name, one in kept.items() if "/prod " in name}
    assert (mine["server errors"]["MetricName"], mine["server errors"]["Threshold"]) == ("5XXError", 12.0)
    assert (mine["slow answers"]["ExtendedStatistic"], mine["slow answers"]["Threshold"]) == ("p95", 900.0)
    assert mine["too few requests"]["TreatMissingData"] == "breaching"
    assert all("learned by gatewatch" in one["AlarmDescription"] for one in mine.values())
    others = [one for name, one in kept.items() if "/prod " not in name]
    assert all("AWS's recommendation" in one["AlarmDescription"] for one in others)
    assert {one["Name"] for one in others[0]["Dimensions"]} == {"ApiId", "Stage"}


def test_a_dashboard_keeps_the_bounds_and_says_what_does_not_fit() -> None:
    body, left_out = dashboard(stage_logs(inventory(200)), LIMITS)
    widgets = body["widgets"]
    assert len(widgets) <= 500
    assert left_out == 202 - 124
    taken: set[tuple[int, int]] = set()
    for one in widgets:
        assert one["type"] in ("metric", "text", "log")
        assert 0 <= one["x"] <= one["x"] + one["width"] <= 24
        cells = {
            (x, y) for x in range(one["x"], one["x"] + one["width"]) for y in range(one["y"], one["y"] + one["height"])
        }
        assert not cells & taken  # none covers another
        taken |= cells
        for line in one["properties"].get("metrics", []):
            assert len(line) == 7  # namespace, metric, two dimensions, how it is drawn
    (log,) = (one for one in widgets if one["type"] == "log" and one["y"] == 2)
    assert log["properties"]["query"].startswith("SOURCE '/aws/apigw/pets' | filter `status` >= 400")
    drawn = [one["properties"].get("annotations", {}).get("horizontal") for one in widgets[1:4]]
    assert [[line["value"] for line in lines] for lines in drawn] == [[3], [40, 12], [900]]


def test_alarms_keep_the_bounds_and_hold_no_foreign_characters() -> None:
    made = alarms(stage_logs(inventory(3)), {}, [])
    assert len({one["AlarmName"] for one in made}) == len(made)
    for one in made:
        assert len(one["AlarmName"]) <= 255
        assert one["AlarmName"].isprintable()
        assert one["AlarmName"].isascii()
        assert one["Period"] % 60 == 0
        assert one["Period"] * one["EvaluationPeriods"] <= 86_400
        assert ("Statistic" in one) != ("ExtendedStatistic" in one)
        assert all(value["Value"].isascii() and value["Value"].isprintable() for value in one["Dimensions"])


def test_the_commands_write_json_and_cloudformation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GATEWATCH_DATA_DIR", str(tmp_path / "none"))
    file = tmp_path / "inventory.json"
    file.write_text(json.dumps(inventory()))
    assert main(["export", "cloudwatch-dashboard", "--inventory", str(file), "-o", str(tmp_path / "body.json")]) == 0
    assert json.loads((tmp_path / "body.json").read_text())["widgets"]
    for kind in ("dashboard", "alarms"):
        out = tmp_path / f"{kind}.template.json"
        arguments = ["export", f"cloudwatch-{kind}", "--inventory", str(file), "--format", "cloudformation"]
        assert main([*arguments, "-o", str(out)]) == 0
        assert json.loads(out.read_text())["Resources"]
        assert _problems(out) == []
    assert main(["export", "cloudwatch-alarms", "--inventory", str(file), "--api", "none"]) == 2
    assert main(["export", "cloudwatch-alarms"]) == 2
    assert "accounts connect" in capsys.readouterr().err


def test_alarms_of_several_regions_are_not_mixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An alarm in another region than its metric never fires, and nothing says so."""
    monkeypatch.setenv("GATEWATCH_DATA_DIR", str(tmp_path / "none"))
    file = tmp_path / "inventory.json"
    stage = {"stageName": "prod", "accessLogSettings": {}}
    apis = [{"id": f"a{n}", "name": f"a{n}", "region": region, "stages": [stage]} for n, region in enumerate("xyy")]
    file.write_text(json.dumps({"restApis": apis}))
    export = ["export", "cloudwatch-alarms", "--inventory", str(file)]
    assert main(export) == 2
    assert "there are stages in x, y: choose with --region" in capsys.readouterr().err
    assert main([*export, "--region", "y"]) == 0
    watched = {one["Dimensions"][0]["Value"] for one in json.loads(capsys.readouterr().out)["alarms"]}
    assert watched == {"a1", "a2"}
    assert main([*export, "--region", "z"]) == 2


def _problems(path: Path) -> list[str]:
    from cfnlint.api import lint_all

    return [str(one) for one in lint_all(path.read_text()) if one.rule.id[0] in "EW"]
