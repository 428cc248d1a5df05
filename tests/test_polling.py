"""What is due of a connection is asked and kept, over HTTP against the double; one that fails stops no other."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from detect.model import Context
from gatewatch.backtesting import backtest
from gatewatch.cli import main
from gatewatch.connecting import Accounts
from gatewatch.following import follower_of
from gatewatch.jobs import tick
from gatewatch.polling import Polled, poll
from gatewatch.settings import Settings
from gatewatch.store.changes import changes
from gatewatch.store.connections import AwsConnection, polls, save_connection
from gatewatch.store.findings import FindingFilter, list_findings
from gatewatch.store.points import read_metrics, read_points
from gatewatch.store.sources import Source
from gatewatch.store.spans import read_spans
from gatewatch.store.spending import ledger
from gatewatch.store.state import State, open_state
from gatewatch.surroundings import known_inventory
from tests.awsdouble import KEYS, Answer, Call, Double, aws_double

REGION = "eu-west-1"
NOW = datetime.now(UTC).replace(second=30, microsecond=0)  # the double counts traces and metrics as of today


@pytest.fixture(name="double")
def _double(monkeypatch: pytest.MonkeyPatch) -> Iterator[Double]:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with aws_double() as double:
        yield double


@pytest.fixture(name="settings")
def _settings(double: Double, tmp_path: Path) -> Settings:
    fast = {"apigateway": 1e4, "cloudtrail": 1e4, "monitoring": 1e4, "cloudwatch": 1e4, "xray": 1e4, "sts": 1e4}
    return Settings(data_dir=tmp_path / "data", aws_endpoint_url=double.url, aws_rates=fast)


@pytest.fixture(name="state")
def _state(settings: Settings) -> Iterator[State]:
    opened = open_state(settings)
    one = AwsConnection("main", None, None, None, (REGION,), ("inventory", "changes", "metrics", "traces"), NOW)
    opened.run(lambda session: save_connection(session, one))
    yield opened
    opened.close()


def client(double: Double, service: str) -> Any:
    return boto3.client(service, region_name=REGION, endpoint_url=double.url)


def change(number: int, at: datetime) -> dict[str, Any]:
    record = {
        "eventID": f"e{number}",
        "eventName": "UpdateStage",
        "eventSource": "apigateway.amazonaws.com",
        "eventTime": at.isoformat(),
        "userIdentity": {"arn": "arn:aws:iam::123456789012:user/ann"},
        "requestParameters": {"restApiId": "a1b2c3d4e5", "stageName": "prod"},
    }
    told = {"EventId": f"e{number}", "ReadOnly": "false", "CloudTrailEvent": json.dumps(record)}
    return {**told, "EventTime": at.timestamp()}


def events(*pages: list[dict[str, Any]]) -> Any:
    """LookupEvents of API Gateway, page by page."""

    def answer(call: Call) -> Answer | None:
        if call.name != "LookupEvents" or "apigateway" not in call.body["LookupAttributes"][0]["AttributeValue"]:
            return None
        number = int(call.body.get("NextToken") or 0)
        more = {"NextToken": str(number + 1)} if number + 1 < len(pages) else {}
        return 200, {"Events": pages[number], **more}

    return answer


def failed(done: list[Polled]) -> dict[str, str]:
    return {one.source: one.error for one in done if one.error}


def test_everything_due_is_asked_once_and_kept(double: Double, state: State, settings: Settings) -> None:
    api = client(double, "apigatewayv2").create_api(Name="pets", ProtocolType="HTTP")["ApiId"]
    dimensions = [{"Name": "ApiId", "Value": api}, {"Name": "Stage", "Value": "prod"}]
    counted = NOW.replace(second=0) - timedelta(minutes=30)
    client(double, "cloudwatch").put_metric_data(
        Namespace="AWS/ApiGateway",
        MetricData=[
            {"MetricName": "Count", "Dimensions": dimensions, "Timestamp": counted + timedelta(minutes=n), "Value": 7.0}
            for n in range(3)
        ],
    )
    double.answers.append(events([change(2, NOW)], [change(1, NOW - timedelta(hours=1))]))
    accounts = Accounts(state, settings)
    double.calls.clear()
    assert failed(poll(state, accounts, NOW)) == {}
    inventory: Any = known_inventory(state)
    assert [one["ApiId"] for one in inventory["httpApis"]] == [api]
    with state.read() as session:
        assert [one.id for one in changes(session)] == ["e1", "e2"]
    points = read_points(state).to_pylist()
    assert [(row["metric"], row["stat"], row["value"]) for row in points] == [("Count", "Sum", 7.0)] * 3
    assert {row["account"] for row in points} == {"123456789012"}
    seen = read_metrics(state, counted - timedelta(hours=1), NOW, known_since=counted - timedelta(hours=1))
    assert sum(seen.column("value").to_pylist()) == 21.0
    asked = len(double.calls)
    assert poll(state, accounts, NOW + timedelta(seconds=60)) == []  # nothing is due yet
    assert len(double.calls) == asked
    with state.read() as session:
        told = ledger(session, NOW.date(), NOW.date())
    assert sum(one.calls for one in told) == asked
    assert sum(one.nanos for one in told) == 2 * 10_000  # one page of ListMetrics, one metric


def test_a_later_poll_asks_for_new_periods_only(double: Double, state: State, settings: Settings) -> None:
    dimensions = [{"Name": "ApiName", "Value": "orders"}, {"Name": "Stage", "Value": "prod"}]
    client(double, "cloudwatch").put_metric_data(
        Namespace="AWS/ApiGateway",
        MetricData=[{"MetricName": "Latency", "Dimensions": dimensions, "Value": 7.0, "Timestamp": NOW}],
    )
    spans: list[tuple[float, float]] = []
    times: list[int] = []

    def answer(call: Call) -> Answer | None:
        if call.name != "GetMetricData":
            return None
        spans.append((call.body["StartTime"], call.body["EndTime"]))
        times.append(len(call.body["MetricDataQueries"]))
        return 200, {"MetricDataResults": []}

    double.answers.append(answer)
    accounts = Accounts(state, settings)
    for minutes in (0, 6, 12):
        poll(state, accounts, NOW + timedelta(minutes=minutes))
    assert times == [3, 3, 3]  # percentiles of one metric, billed as one
    assert spans[0][1] == spans[1][0]
    assert spans[1][1] == spans[2][0]
    assert [name for name in double.names("monitoring") if name == "ListMetrics"] == ["ListMetrics"]


def test_what_began_since_the_last_listing_is_asked_for_from_its_beginning(
    double: Double, state: State, settings: Settings
) -> None:
    """Metrics are listed once an hour: the first hour of a new stage would be missing, and its coverage unknown."""
    names, asked = ["old"], defaultdict[str, list[tuple[float, float]]](list)

    def answer(call: Call) -> Answer | None:
        if call.name == "ListMetrics":
            mine = names if call.body["Namespace"] == "AWS/ApiGateway" else []
            dimensions = [[{"Name": "ApiName", "Value": one}, {"Name": "Stage", "Value": "prod"}] for one in mine]
            told = [{"Namespace": "AWS/ApiGateway", "MetricName": "Count", "Dimensions": one} for one in dimensions]
            return 200, {"Metrics": told}
        if call.name == "GetMetricData":
            for query in call.body["MetricDataQueries"]:
                name = query["MetricStat"]["Metric"]["Dimensions"][0]["Value"]
                asked[name].append((call.body["StartTime"], call.body["EndTime"]))
            return 200, {"MetricDataResults": []}
        return None

    double.answers.append(answer)
    accounts = Accounts(state, settings)
    for minutes in (0, 10, 70, 80):
        names[1:] = ["new"] if minutes else []
        assert failed(poll(state, accounts, NOW + timedelta(minutes=minutes))) == {}
    settled = NOW.timestamp() // 60 * 60 - 300
    assert asked["new"] == [(settled, settled + 600), (settled + 600, settled + 4200), (settled + 4200, settled + 4800)]
    for spans in asked.values():
        assert [end for _, end in spans[:-1]] == [start for start, _ in spans[1:]]  # each period once


def test_a_denied_source_is_one_line_and_the_others_go_on(double: Double, state: State, settings: Settings) -> None:
    double.deny("cloudtrail", "LookupEvents")
    done = poll(state, Accounts(state, settings), NOW)
    assert set(failed(done)) == {"changes"}
    assert "gatewatch iam-policy" in failed(done)["changes"]
    with state.read() as session:
        stands = {one.source: (one.ok_at, one.error) for one in polls(session)}
    assert stands["changes"] == (None, failed(done)["changes"])
    assert stands["inventory"] == (NOW, None)


def test_who_is_told_to_end_asks_no_more_and_begins_there_again(
    double: Double, state: State, settings: Settings
) -> None:
    stop = threading.Event()

    def answer(call: Call) -> Answer | None:
        if call.name == "LookupEvents":
            stop.set()
        return None

    double.answers.append(answer)
    slow = settings.model_copy(update={"aws_rates": {**settings.aws_rates, "cloudtrail": 0.01}})
    began = time.monotonic()
    assert [one.source for one in poll(state, Accounts(state, slow, stop=stop), NOW)] == ["inventory"]
    assert time.monotonic() - began < 90  # its next call to CloudTrail would have waited for 100 seconds
    assert double.names("cloudtrail") == ["LookupEvents"]
    assert double.names("monitoring") == []
    follower = follower_of(state, settings, Accounts(state, settings, stop=stop))
    source = Source("pets", "cloudwatch_logs", "/apigw/pets", True, NOW, {"region": REGION})
    assert follower.look(source, NOW).errors == []
    follower.close()
    assert double.names("logs") == []
    double.answers.pop()
    done = poll(state, Accounts(state, settings), NOW + timedelta(minutes=1))
    assert [one.source for one in done] == ["changes", "metrics", "traces"]


def test_what_nobody_foresaw_is_one_line_too_and_the_others_go_on(
    double: Double, state: State, settings: Settings
) -> None:
    double.answers.append(lambda call: (200, {"Events": [7]}) if call.name == "LookupEvents" else None)
    done = poll(state, Accounts(state, settings), NOW)
    assert set(failed(done)) == {"changes"}
    assert re.search(r"a mistake in gatewatch \(\w+: .*please report it", failed(done)["changes"])


def test_changes_do_not_wait_for_a_long_inventory(double: Double, state: State, settings: Settings) -> None:
    """Two jobs: the first inventory is of the quick one, as the others build upon it; all later ones of the other."""
    accounts = Accounts(state, settings)
    assert poll(state, accounts, NOW, slow=True) == []
    assert [one.source for one in poll(state, accounts, NOW, slow=False)] == [
        *("inventory", "changes", "metrics", "traces")
    ]
    later = NOW + timedelta(hours=1, seconds=-10)  # a turn that comes a little early is no turn left out
    assert [one.source for one in poll(state, accounts, later, slow=False)] == ["changes", "metrics", "traces"]
    assert [one.source for one in poll(state, accounts, later, slow=True)] == ["inventory"]


def test_no_call_is_made_after_the_hard_cap(double: Double, state: State, settings: Settings) -> None:
    capped = settings.model_copy(update={"aws_hard_calls_per_day": 5})
    done = poll(state, Accounts(state, capped), NOW)
    assert len(double.calls) == 5
    assert all("the cap is 5" in error for error in failed(done).values())
    assert failed(done)


def segment(trace: str, **more: Any) -> dict[str, str]:
    start = NOW.timestamp() - 600
    return {
        "Id": "5f3a8d2c1b0e4a77",
        "Document": json.dumps(
            {
                "id": "5f3a8d2c1b0e4a77",
                "name": "orders/prod",
                "trace_id": trace,
                "origin": "AWS::ApiGateway::Stage",
                "start_time": start,
                "http": {"request": {"url": "https://x/prod/pets", "method": "GET"}, "response": {"status": 200}},
                "aws": {"api_gateway": {"rest_api_id": "a1b2c3d4e5", "stage": "prod"}},
                **({"end_time": start + 0.25} | more),
            }
        ),
    }


def test_traces_come_by_five_and_unfinished_ones_again(double: Double, state: State, settings: Settings) -> None:
    names = [f"1-6a2808{n:02x}-1f2e3d4c5b6a798801234567" for n in range(7)]
    unfinished = {names[3]}
    asked: list[list[str]] = []

    def answer(call: Call) -> Answer | None:
        if call.name.startswith("POST /TraceSummaries"):
            new = not asked
            return 200, {"TraceSummaries": [{"Id": one} for one in names] if new else [], "TracesProcessedCount": 7}
        if call.name.startswith("POST /Traces"):
            asked.append(call.body["TraceIds"])
            return 200, {
                "Traces": [
                    {
                        "Id": one,
                        "Segments": [
                            segment(one, **({"in_progress": True, "end_time": None} if one in unfinished else {}))
                        ],
                    }
                    for one in call.body["TraceIds"]
                ]
            }
        return None

    double.answers.append(answer)
    accounts = Accounts(state, settings)
    assert failed(poll(state, accounts, NOW)) == {}
    assert [len(one) for one in asked] == [5, 2]
    assert len(set(read_spans(state, NOW - timedelta(hours=1), NOW).column("trace_id").to_pylist())) == 6
    unfinished.clear()
    assert failed(poll(state, accounts, NOW + timedelta(minutes=5))) == {}
    assert asked[2:] == [[names[3]]]
    assert len(set(read_spans(state, NOW - timedelta(hours=1), NOW).column("trace_id").to_pylist())) == 7


def test_the_commands_connect_poll_and_tell(
    double: Double, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GATEWATCH_DATA_DIR", str(tmp_path / "other"))
    monkeypatch.setenv("GATEWATCH_AWS_ENDPOINT_URL", double.url)
    monkeypatch.setenv("GATEWATCH_AWS_RATES", '{"apigateway": 1000, "cloudtrail": 1000}')

    def run(*arguments: str, code: int = 0) -> str:
        assert main(list(arguments)) == code
        return capsys.readouterr().out

    role = "arn:aws:iam::123456789012:role/gatewatch"
    external = run("accounts", "connect", "shop", "--role-arn", role, "--region", REGION).strip()
    assert external.startswith("gatewatch-")
    assert external not in run("accounts", "list")
    assert "can be assumed without the external id" in run("accounts", "poll", code=3)
    run("accounts", "remove", "shop")
    assert run("accounts", "connect", "main", "--region", REGION, "--source", "inventory") == ""
    client(double, "apigatewayv2").create_api(Name="pets", ProtocolType="HTTP")
    assert run("accounts", "poll") == f"main {REGION} inventory: a new inventory\n"
    client(double, "apigatewayv2").create_api(Name="cats", ProtocolType="HTTP")
    run("accounts", "poll")
    assert '"cats"' in run("inventory", "diff")
    assert len(json.loads(run("inventory", "export"))["httpApis"]) == 2
    assert "paused: nobody" in run("accounts", "cost")


def said(state: State) -> dict[str, Any]:
    """What is open in the store, by its subtype."""
    with state.read() as session:
        page = list_findings(session, FindingFilter(state="open"))
    return {one.finding.subtype: one.finding for one in page.items}


def test_a_risky_change_is_told_by_the_tick_after_the_poll_without_any_logs(
    double: Double, state: State, settings: Settings
) -> None:
    rest = client(double, "apigateway")
    api = rest.create_rest_api(name="orders")["id"]
    root = rest.get_resources(restApiId=api)["items"][0]["id"]
    rest.put_method(restApiId=api, resourceId=root, httpMethod="GET", authorizationType="AWS_IAM")
    rest.put_integration(restApiId=api, resourceId=root, httpMethod="GET", type="MOCK")
    deployment = rest.create_deployment(restApiId=api, stageName="prod")["id"]
    trace = [{"op": "replace", "path": "/tracingEnabled", "value": "true"}]
    rest.update_stage(restApiId=api, stageName="prod", patchOperations=trace)
    accounts = Accounts(state, settings)
    assert failed(poll(state, accounts, NOW - timedelta(hours=1))) == {}
    tick(state, settings, NOW - timedelta(minutes=30))
    assert said(state) == {}

    asked = {"restApiId": api, "resourceId": root, "httpMethod": "GET"}
    operations = [{"op": "replace", "path": "/authorizationType", "value": "NONE"}]
    made = change(1, NOW - timedelta(minutes=7))
    record = json.loads(made["CloudTrailEvent"]) | {
        "eventName": "UpdateMethod",
        "awsRegion": REGION,
        "recipientAccountId": "123456789012",
        "requestParameters": {**asked, "updateMethodInput": {"patchOperations": operations}},
    }
    double.answers.append(events([{**made, "CloudTrailEvent": json.dumps(record)}]))
    assert failed(poll(state, accounts, NOW)) == {}
    assert tick(state, settings, NOW).new == 1
    (found,) = said(state).values()
    assert (found.subtype, found.confidence) == ("authorizer_removed", 0.95)
    assert "GET /: AWS_IAM -> NONE, by arn:aws:iam::123456789012:user/ann" in found.evidence.sentence
    # Somebody puts it back and nobody tells; and the tracing goes off. The next inventory shows both.
    rest.put_method(restApiId=api, resourceId=root, httpMethod="GET", authorizationType="AWS_IAM")
    rest.update_stage(
        restApiId=api,
        stageName="prod",
        patchOperations=[
            {"op": "replace", "path": "/tracingEnabled", "value": "false"},
            {"op": "replace", "path": "/deploymentId", "value": deployment},
        ],
    )
    assert failed(poll(state, accounts, NOW + timedelta(hours=1))) == {}
    tick(state, settings, NOW + timedelta(hours=1, minutes=1))  # it has not stood long enough, and nothing more comes
    tick(state, settings, NOW + timedelta(hours=1, minutes=6))
    assert set(said(state)) == {"tracing_off", "not_deployed"}
    (run,) = backtest(state, [Context(settings=settings)], NOW - timedelta(days=1), NOW + timedelta(hours=1.1)).runs
    assert {one.subtype for one in run.findings} == {"authorizer_removed", "tracing_off", "not_deployed"}
