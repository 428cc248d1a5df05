"""doctor tries every right, and says how each source stands and what to do; one that fails hides no other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from gatewatch.cli import main
from gatewatch.cli.awsdoctor import aws_checks
from gatewatch.cli.checks import Check
from gatewatch.connecting import Accounts
from gatewatch.jobs import note_look
from gatewatch.polling import poll
from gatewatch.settings import Settings
from gatewatch.store.batches import Position, note_checkpoints
from gatewatch.store.connections import AwsConnection, save_connection
from gatewatch.store.sources import register_source
from gatewatch.store.state import State, open_state
from tests.awsdouble import KEYS, Answer, Call, Double, aws_double

REGION = "eu-west-1"
NOW = datetime.now(UTC).replace(microsecond=0)
READ = Position(0, 0, 0, 0, True, "")
SOURCES = ("inventory", "changes", "metrics", "traces")


@pytest.fixture(name="double")
def _double(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Double]:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    with aws_double() as double:
        yield double


@pytest.fixture(name="settings")
def _settings(double: Double, tmp_path: Path) -> Settings:
    fast = dict.fromkeys(("apigateway", "cloudtrail", "cloudwatch", "xray", "sts", "logs", "acm", "lambda"), 1e4)
    return Settings(data_dir=tmp_path / "data", aws_endpoint_url=double.url, aws_rates=fast | {"cognito-idp": 1e4})


@pytest.fixture(name="state")
def _state(settings: Settings) -> Iterator[State]:
    opened = open_state(settings)
    yield opened
    opened.close()


def connect(state: State, name: str = "main", **given: Any) -> None:
    told: dict[str, Any] = {"profile": None, "role_arn": None, "external_id": None, "regions": (REGION,)}
    one = AwsConnection(name, **{**told, "sources": SOURCES, "created_at": NOW, **given})
    state.run(lambda session: save_connection(session, one))


def said(settings: Settings, now: datetime = NOW) -> list[Check]:
    found = list(aws_checks(settings, now))
    assert all("\n" not in one.text and len(one.text) < 900 for one in found)
    return found


def fails(checks: list[Check]) -> list[str]:
    return [one.text for one in checks if one.level == "fail"]


def test_a_connection_that_is_well_is_told_so_with_lag_and_cost(
    double: Double, state: State, settings: Settings
) -> None:
    connect(state)
    poll(state, Accounts(state, settings, now=lambda: NOW), NOW)
    found = said(settings, NOW + timedelta(seconds=90))
    assert fails(found) == []
    texts = [one.text for one in found]
    assert f"AWS main: account 123456789012, {REGION}" in texts
    assert f"AWS main {REGION} traces: all 3 rights are there" in texts
    assert f"AWS main {REGION} changes: last good 90 s ago, asked every 2 min" in texts
    assert any(text.startswith("cost 123456789012 metrics: $0.0000 and") for text in texts)
    late = [one for one in said(settings, NOW + timedelta(hours=1)) if one.level == "warn"]
    assert {one.text.split(":")[0].split(" ")[-1] for one in late} == {"changes", "metrics", "traces"}
    assert all("is gatewatch worker" in one.hint for one in late)


@pytest.mark.parametrize(
    ("status", "code", "message", "fix"),
    [
        (403, "AccessDeniedException", "not authorized to perform: cloudtrail:LookupEvents", "gatewatch iam-policy"),
        (400, "ThrottlingException", "Rate exceeded", "throttles us"),
        (403, "UnrecognizedClientException", "The security token is invalid", "the region is enabled"),
        (400, "InvalidSignatureException", "Signature expired: 2026", "clock is wrong by minutes; set it by NTP"),
        (400, "ExpiredTokenException", "The security token included is expired", "aws sso login"),
        (400, "CloudTrailAccessNotEnabledException", "trail is off", "turn it on, or leave this source out"),
    ],
)
def test_what_fails_is_one_line_with_the_fix_and_the_others_go_on(
    double: Double, state: State, settings: Settings, status: int, code: str, message: str, fix: str
) -> None:
    connect(state)
    double.refuse("cloudtrail", "LookupEvents", status, code, message)
    (line,) = fails(said(settings))
    assert line.startswith(f"AWS main {REGION} changes: cloudtrail:LookupEvents: AWS main {REGION}: LookupEvents")
    assert fix in line
    done = poll(state, Accounts(state, settings), NOW)
    assert {one.source for one in done if one.error} == {"changes"}
    assert fix in next(one.error or "" for one in done if one.error)


def test_no_credentials_a_wrong_profile_and_no_answer_are_one_line_each(
    double: Double, state: State, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(state, "good")
    connect(state, "lost", profile="nowhere")
    (line,) = fails(said(settings))
    assert "list-profiles" in line
    assert any("good" in one.text and one.level == "ok" for one in said(settings))  # it goes on
    for name in KEYS:
        monkeypatch.delenv(name)
    both = fails(said(settings))
    assert len(both) == 2
    assert "no credentials; give AWS_PROFILE" in both[0]
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    away = settings.model_copy(update={"aws_endpoint_url": "http://127.0.0.1:9"})
    assert "check the region's name and the way to it" in fails(said(away))[0]


def test_log_sources_tell_their_rights_silence_and_failures(double: Double, state: State, settings: Settings) -> None:
    register_source(state, "pets", "cloudwatch_logs", "/apigw/pets", True, {"region": REGION})
    register_source(state, "gone", "s3", "s3://no-such-logs/apigw/", True, {"region": REGION})
    boto3.client("logs", region_name=REGION, endpoint_url=double.url).create_log_group(logGroupName="/apigw/pets")
    found = said(settings)
    assert [one.level for one in found if "pets: logs:FilterLogEvents" in one.text] == ["ok"]
    assert all("no-such-logs" in text or "gone" in text for text in fails(found))
    assert fails(found)
    assert any("pets: no line came yet" in one.text for one in found)
    register_source(state, "why", "cloudwatch_logs", "API-Gateway-Execution-Logs_a1/prod", True, {"region": REGION})
    texts = [one.text for one in said(settings)]
    assert "source why: brings no lines; never looked at" in texts
    assert not any("why: no line came yet" in text for text in texts)


def test_a_trail_that_writes_no_more_files_is_told(double: Double, state: State, settings: Settings) -> None:
    location = "s3://trail-of-shop/AWSLogs/"
    register_source(state, "trail", "cloudtrail", location, True, {"region": REGION})
    boto3.client("s3", region_name=REGION, endpoint_url=double.url).create_bucket(
        Bucket="trail-of-shop", CreateBucketConfiguration={"LocationConstraint": REGION}
    )

    def told() -> list[str]:
        return [f"{one.level} {one.text}" for one in said(settings) if "trail: " in one.text and "file" in one.text]

    assert told() == []  # never looked at
    note_look(state, "trail", NOW, [])
    note_checkpoints(state, "trail", {location: READ}, NOW)
    assert told() == ["warn source trail: no file came yet: is the trail still on?"]
    note_checkpoints(state, "trail", {f"{location}a.json.gz": READ}, NOW - timedelta(hours=2))
    assert told() == ["ok source trail: last new file 2 h ago"]
    note_checkpoints(state, "trail", {f"{location}a.json.gz": READ}, NOW - timedelta(hours=30))
    assert told()[0].endswith("ago: is the trail still on?")


def test_the_command_exits_3_and_goes_on_and_offline_asks_nobody(
    double: Double,
    state: State,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    connect(state)
    double.deny("xray")
    monkeypatch.setenv("GATEWATCH_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("GATEWATCH_AWS_ENDPOINT_URL", double.url)
    monkeypatch.setenv("GATEWATCH_AWS_RATES", json.dumps(settings.aws_rates))
    assert main(["doctor", "--format", "json"]) == 3
    checks = json.loads(capsys.readouterr().out)["checks"]
    assert sum(one["level"] == "fail" for one in checks) == 3  # the rights of the traces
    assert any(one["text"].endswith("metrics: all 2 rights are there") for one in checks)
    asked = len(double.calls)
    assert main(["doctor", "--offline"]) == 0
    assert len(double.calls) == asked


def test_where_traces_are_is_said_and_which_source_has_them(double: Double, state: State, settings: Settings) -> None:
    def answer(call: Call) -> Answer | None:
        asked = call.name == "POST /GetTraceSegmentDestination"
        return (200, {"Destination": "CloudWatchLogs", "Status": "ACTIVE"}) if asked else None

    connect(state, sources=("traces",))
    double.answers.append(answer)
    (told,) = [one for one in said(settings) if "Transaction Search is on" in one.text]
    group = f"arn:aws:logs:{REGION}:123456789012:log-group:aws/spans"
    assert (told.level, told.hint) == ("warn", f"gatewatch sources add spans {group}")
    register_source(state, "spans", "cloudwatch_logs", group, True, {"connection": "main"})
    assert not [one for one in said(settings) if "Transaction Search" in one.text]


@pytest.mark.parametrize(
    "message",
    [
        "The log group /apis is of log-group-class INFREQUENT_ACCESS. FilterLogEvents is not supported for it.",
        "This operation is only supported on the Standard log class.",
    ],
)
def test_a_log_group_that_can_only_be_queried_is_said_with_what_to_do(
    double: Double, state: State, settings: Settings, message: str
) -> None:
    register_source(state, "apis", "cloudwatch_logs", "/apis", True, {"region": REGION})
    double.refuse("logs", "FilterLogEvents", 400, "InvalidOperationException", message)
    (line,) = fails(said(settings))
    assert line.startswith("source apis: logs:FilterLogEvents")
    assert "let the stage log to a group of class STANDARD, or to Firehose" in line
