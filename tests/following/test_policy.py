"""The policy of the registered log sources is the calls that looking at them makes: no more, and no fewer."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from hashlib import md5
from typing import Any
from urllib.parse import unquote

import pytest

from gatewatch.cli import main
from gatewatch.following import Follower
from gatewatch.store.sources import Source, register_source
from gatewatch.store.state import State
from ingest.aws.policy import log_source, policy
from ingest.aws.trial import try_log_source
from tests.awsdouble import Answer, Call, Double
from tests.following.test_cloudtrail import PREFIX, file
from tests.following.test_eventbridge import event
from tests.following.test_s3 import an_aws, queued
from tests.ingest.aws.test_policy import equal, matches

REGION = "eu-west-1"
ACCOUNT = "123456789012"
GROUPS = ("/aws/apigateway/orders", "API-Gateway-Execution-Logs_a1b2c3d4e5/prod", "aws/spans")
BUCKET = "logs-of-policy"


def needed(call: Call) -> tuple[str, str]:
    """Action and resource of a recorded call, as IAM names them."""
    if call.service == "logs":
        group = call.body.get("logGroupName") or call.body["logGroupIdentifier"].partition(":log-group:")[2]
        return f"logs:{call.name}", f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:*"
    if call.service == "sqs":
        name = call.body["QueueUrl"].rpartition("/")[2]
        return f"sqs:{call.name.removesuffix('Batch')}", f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
    verb, _, path = call.name.partition(" ")
    bucket, _, key = unquote(path.partition("?")[0]).lstrip("/").partition("/")
    assert (call.service, verb) == ("s3", "GET")
    return ("s3:GetObject", f"arn:aws:s3:::{bucket}/{key}") if key else ("s3:ListBucket", f"arn:aws:s3:::{bucket}")


@pytest.fixture(name="registered")
def _registered(double: Double, state: State, monkeypatch: pytest.MonkeyPatch) -> list[Source]:
    """A source of each kind, each with something in it."""
    monkeypatch.setattr("ingest.sources.notifications.WAIT_S", 0)
    aws, now = an_aws(double.url), datetime.now(UTC)
    for group in GROUPS:
        logs = aws.client("logs", REGION)
        logs.create_log_group(logGroupName=group)
        logs.create_log_stream(logGroupName=group, logStreamName="s")
        events = [{"timestamp": int((now - timedelta(minutes=5)).timestamp() * 1000), "message": "(r) x"}]
        logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=events)
    s3, sqs = aws.client("s3", REGION), aws.client("sqs", REGION)
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    for key, body in (("apigw/a.log", b"{}\n"), ("told/b.log", b"{}\n"), (f"{PREFIX}2026/06/09/c.json.gz", file(1))):
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    queues = [sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("objects-of-policy", "changes-of-policy")]
    notice = {"bucket": {"name": BUCKET}, "object": {"key": "told/b.log", "size": 3, "eTag": md5(b"{}\n").hexdigest()}}
    record = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "eventTime": now.isoformat(), "s3": notice}
    queued(double, queues[0], {"Records": [record]})
    queued(double, queues[1], event(1))

    def answer(call: Call) -> Answer | None:  # moto knows groups by their names alone
        known = call.name == "FilterLogEvents" and "logGroupIdentifier" in call.body
        return (200, {"events": []}) if known else None

    double.answers.append(answer)
    given: list[tuple[str, str, dict[str, Any]]] = [
        *(("cloudwatch_logs", group, {}) for group in GROUPS[1:]),
        ("cloudwatch_logs", f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{GROUPS[0]}", {}),
        ("s3", f"s3://{BUCKET}/apigw/", {}),
        ("s3", f"s3://{BUCKET}/told/", {"queue": queues[0]}),
        ("cloudtrail", f"s3://{BUCKET}/AWSLogs/", {}),
        ("eventbridge", queues[1], {}),
    ]
    made = [Source(f"s{number}", *one[:2], True, now, one[2]) for number, one in enumerate(given)]
    for source in made:
        register_source(state, source.name, source.kind, source.location, True, source.options)
    return made


def test_the_policy_of_each_log_source_is_its_calls(
    double: Double, state: State, registered: list[Source], capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    aws = an_aws(double.url)
    follower = Follower(state, lambda _: lambda service: aws.client(service, REGION))
    made: set[tuple[str, str]] = set()
    for source in registered:
        names, arns = log_source(source.kind, source.location, source.options)
        statements = policy(names, resources=arns)["Statement"]
        double.calls.clear()
        what = (source.kind, source.location, source.options, source.created_at)
        assert list(try_log_source(lambda service: aws.client(service, REGION), *what))
        for call in (one for one in double.calls if one.service != "sts"):  # who we are, anybody may ask
            assert any(matches(one, *needed(call)) for one in statements), call
        double.calls.clear()
        for minutes in (1, 2):  # notices go from the queue when their objects are kept, and no earlier
            looked = follower.look(source, datetime.now(UTC) + timedelta(minutes=minutes))
            assert looked.errors == [] or source.kind == "s3", looked.errors
        calls = {needed(call) for call in double.calls if call.service != "sts"}
        made |= calls
        equal(statements, calls)
        assert not any("*" in action for one in statements for action in one["Action"])
    follower.close()
    monkeypatch.setenv("GATEWATCH_DATA_DIR", str(state.settings.data_dir))
    assert main(["iam-policy"]) == 0
    told = json.loads(capsys.readouterr().out)["Statement"]
    assert all(any(matches(one, *call) for one in told if one["Effect"] == "Allow") for call in made)
