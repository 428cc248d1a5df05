"""What calls cost: the ledger says what the recorded calls cost by the price list, and the estimate what comes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from gatewatch.connecting import Accounts
from gatewatch.costing import estimated, forecast
from gatewatch.polling import EVERY, poll
from gatewatch.settings import Settings
from gatewatch.store.connections import AwsConnection, save_connection
from gatewatch.store.spending import Spent, ledger
from gatewatch.store.state import State, open_state
from ingest.aws.estimate import There, estimate, estimate_logs
from tests.awsdouble import Answer, Call, Double

REGION = "eu-west-1"
NOW = datetime.now(UTC).replace(second=30, microsecond=0)
ALARMS = {"DescribeAlarms", "DescribeAlarmHistory"}
TRACES = [f"1-6a2808{n:02x}-1f2e3d4c5b6a798801234567" for n in range(12)]


@pytest.fixture(name="settings")
def _settings(double: Double, tmp_path: Path) -> Settings:
    fast = dict.fromkeys(("apigateway", "cloudtrail", "monitoring", "cloudwatch", "xray", "sts"), 1e4)
    return Settings(data_dir=tmp_path / "data", aws_endpoint_url=double.url, aws_rates=fast)


@pytest.fixture(name="state")
def _state(settings: Settings) -> Iterator[State]:
    opened = open_state(settings)
    one = AwsConnection("main", None, None, None, (REGION,), tuple(EVERY), NOW)
    opened.run(lambda session: save_connection(session, one))
    yield opened
    opened.close()


def dollars_of(call: Call) -> float:
    """AWS's price list, written down once more: what one recorded call costs."""
    if call.service == "monitoring" and call.name in {"ListMetrics", *ALARMS}:
        return 0.01 / 1000
    if call.service == "monitoring" and call.name == "GetMetricData":
        metrics = {
            (query["MetricStat"]["Metric"]["MetricName"], str(query["MetricStat"]["Metric"]["Dimensions"]))
            for query in call.body["MetricDataQueries"]
        }
        return 0.01 / 1000 * len(metrics)  # none has more than five statistics here
    if call.service == "xray" and call.name.startswith("POST /TraceSummaries"):
        return 0.50 / 1e6 * len(TRACES)  # scanned
    if call.service == "xray" and call.name.startswith("POST /Traces"):
        return 0.50 / 1e6 * len(call.body["TraceIds"])  # retrieved
    return 0.0  # API Gateway, CloudTrail's event history, STS


def things(double: Double) -> None:
    """Twelve HTTP APIs with four metrics each, and traces."""
    cloudwatch = boto3.client("cloudwatch", region_name=REGION, endpoint_url=double.url)
    second = boto3.client("apigatewayv2", region_name=REGION, endpoint_url=double.url)
    for number in range(12):
        second.create_api(Name=f"api-{number}", ProtocolType="HTTP")
        where = [{"Name": "ApiId", "Value": f"api{number}"}, {"Name": "Stage", "Value": "prod"}]
        cloudwatch.put_metric_data(
            Namespace="AWS/ApiGateway",
            MetricData=[
                {"MetricName": name, "Dimensions": where, "Value": 1.0, "Timestamp": NOW}
                for name in ("Count", "4xx", "Latency", "DataProcessed")  # the last is of no use to us
            ],
        )

    def answer(call: Call) -> Answer | None:
        if call.name.startswith("POST /TraceSummaries"):
            summaries = [{"Id": one} for one in TRACES]
            return 200, {"TraceSummaries": summaries, "TracesProcessedCount": len(TRACES)}
        if call.name.startswith("POST /Traces"):
            return 200, {"Traces": []}
        # moto knows no percentiles
        return (200, {"MetricDataResults": []}) if call.name == "GetMetricData" else None

    double.answers.append(answer)


@pytest.mark.timeout(300)  # thirty-six polls over HTTP
def test_the_ledger_is_what_the_recorded_calls_cost_to_the_cent(
    double: Double, state: State, settings: Settings
) -> None:
    things(double)
    accounts = Accounts(state, settings, now=lambda: NOW)
    double.calls.clear()
    for minute in range(0, 180, 5):
        assert not [one.error for one in poll(state, accounts, NOW + timedelta(minutes=minute)) if one.error]
    with state.read() as session:
        told = ledger(session, NOW.date(), NOW.date())
    due = sum(dollars_of(call) for call in double.calls)
    assert sum(one.calls for one in told) == len(double.calls)
    assert sum(one.dollars for one in told) == pytest.approx(due, abs=1e-9)
    assert due > 0.01  # or a cent would mean nothing
    by_source = {name: sum(one.nanos for one in told if one.source == name) for name in EVERY}
    assert by_source["inventory"] == 0
    assert by_source["changes"] == 10_000 * sum(
        call.name in ALARMS for call in double.calls
    )  # CloudTrail costs nothing
    assert by_source["traces"] == 500 * len(TRACES) * 36 * 2
    # The estimate, asked before, says what came: three hours are a 240th of a month.
    found = estimated(
        accounts.open(AwsConnection("main", None, None, None, (REGION,), tuple(EVERY), NOW)), ("metrics",)
    )
    assert found.unknown == ()
    assert found.dollars / 240 == pytest.approx(by_source["metrics"] / 1e9, rel=0.02)
    # What AWS/Usage is asked is paid in the name of metrics, and estimated apart.
    usage = sum(call.body.get("Namespace") == "AWS/Usage" for call in double.calls if call.name == "ListMetrics")
    assert usage == 3  # once an hour
    asked = sum(one.calls for one in told if one.source == "metrics") - usage
    assert found.parts[0].calls / 240 == pytest.approx(asked, rel=0.1)


def test_what_is_not_known_is_assumed_and_said(double: Double, state: State, settings: Settings) -> None:
    double.deny("apigateway")
    one = AwsConnection("main", None, None, None, (REGION,), tuple(EVERY), NOW)
    found = estimated(Accounts(state, settings).open(one), ("inventory", "metrics"))
    assert "gatewatch iam-policy" in found.unknown[0]
    assert "assumed" in str(found.parts[1])


def test_estimates_grow_with_what_there_is() -> None:
    every = dict(EVERY)
    few, many = ({"r": There(n, n, 2 * n, (("AWS/ApiGateway", "Count"),) * n)} for n in (1, 100))
    for less, more in zip(estimate(EVERY, every, few), estimate(EVERY, every, many), strict=True):
        assert less.calls <= more.calls
        assert less.nanos <= more.nanos
    assert "at most" in str(estimate(("traces",), every, few)[0])
    minute = timedelta(minutes=1)
    assert estimate_logs("files", minute).nanos == 0
    assert estimate_logs("s3", minute, queue=True).dollars < estimate_logs("s3", minute).dollars
    assert estimate_logs("s3", minute).dollars == pytest.approx(43_200 * 0.005 / 1000 + 8640 * 0.0004 / 1000)


def test_a_forecast_goes_on_as_whole_days_did() -> None:
    def spent(day: int, nanos: int) -> Spent:
        return Spent(date(2026, 6, day), "1", "metrics", "cloudwatch", "GetMetricData", 10, nanos)

    (one,) = forecast([spent(1, 10**9), spent(3, 2 * 10**9), spent(4, 10**12)], date(2026, 6, 4), 0.5)
    assert one.dollars == pytest.approx(30.0)
    assert (one.calls, one.days) == (200, 2)  # three days, one without a call
    (first,) = forecast([spent(4, 10**9)], date(2026, 6, 4), 0.25)
    assert first.dollars == pytest.approx(120.0)
    assert first.days == 0
    assert forecast([], date(2026, 6, 4), 0.5) == []


def test_the_commands_say_it(
    double: Double, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from gatewatch.cli import main

    things(double)
    monkeypatch.setenv("GATEWATCH_DATA_DIR", str(tmp_path / "other"))
    monkeypatch.setenv("GATEWATCH_AWS_ENDPOINT_URL", double.url)

    def run(*arguments: str) -> Any:
        assert main(list(arguments)) == 0
        return capsys.readouterr()

    told = run("accounts", "connect", "main", "--region", REGION).err
    assert "metrics: about" in told
    assert "36 series, as listed" in told
    assert "a month at list price" in told
    assert "36 series" in run("accounts", "estimate", "main").err
    assert "a month" in run("accounts", "cost").out
    assert "$0.44 a month" in run("sources", "add", "logs", "s3://my-logs/apigw/").err
