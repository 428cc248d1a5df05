"""Each right that the policy gives is tried, once, with calls that change nothing; what is refused is one line."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from gatewatch.records import JSON
from ingest.aws.policy import policy
from ingest.aws.session import Aws
from ingest.aws.trial import CALLS, try_log_source, try_rights
from tests.awsdouble import Double
from tests.ingest.aws.conftest import REGION

NOW = datetime.now(UTC)


def test_what_is_tried_is_what_the_policy_gives(aws: Aws, double: Double) -> None:
    tried = list(try_rights(aws, REGION, tuple(CALLS), NOW))
    assert {one.said for one in tried} == {None}  # what is not there may be asked for all the same
    actions = {re.split(r" ", one.action)[0] for one in tried}
    allowed = [one for one in policy(tuple(CALLS))["Statement"] if one["Effect"] == "Allow"]
    assert actions == {action for one in allowed for action in one["Action"]}
    paths = {one.action.partition(" ")[2] for one in tried} - {""}
    given = {resource.rpartition("::")[2] for one in allowed for resource in one["Resource"]} - {"*"}
    assert {one for one in given if not one.endswith("/*")} <= paths  # below a path lie things, not rights
    assert not [call.name for call in double.calls if re.match(r"(PUT|DELETE|PATCH)|(Put|Delete|Create)", call.name)]


@pytest.mark.parametrize("source", sorted(CALLS))
def test_what_is_refused_is_named_with_the_fix(aws: Aws, double: Double, source: str) -> None:
    for service in ("apigateway", "acm", "lambda", "cognito-idp", "cloudtrail", "monitoring", "xray", "config"):
        double.deny(service)
    tried = list(try_rights(aws, REGION, (source,), NOW))
    assert tried
    for one in tried:
        assert one.said is not None
        assert "gatewatch iam-policy" in one.said
        assert "\n" not in one.said


def test_log_sources_are_tried_and_nothing_is_taken(aws: Aws, double: Double) -> None:
    def clients(service: str) -> object:
        return aws.client(service, REGION)

    logs, s3, sqs = (aws.client(name, REGION) for name in ("logs", "s3", "sqs"))
    logs.create_log_group(logGroupName="/apigw/pets")
    s3.create_bucket(Bucket="my-logs", CreateBucketConfiguration={"LocationConstraint": REGION})
    queue = sqs.create_queue(QueueName="new")["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="{}")
    good: tuple[tuple[str, str, dict[str, JSON]], ...] = (
        ("cloudwatch_logs", "/apigw/pets", {}),
        ("s3", "s3://my-logs/apigw/", {}),
        ("s3", "s3://my-logs/apigw/", {"queue": queue}),
    )
    for kind, location, options in good:
        found = list(try_log_source(clients, kind, location, options, NOW))
        assert [one.said for one in found] == [None] * len(found), found
    assert sqs.receive_message(QueueUrl=queue)["Messages"]  # it is still there, and to be seen
    (gone,) = try_log_source(clients, "cloudwatch_logs", "/apigw/gone", {}, NOW)
    assert "not there (any more)" in str(gone.said)
    listed, read = try_log_source(clients, "s3", "s3://no-such-logs/apigw/", {}, NOW)
    assert "not there (any more)" in str(listed.said)
    assert "not there (any more)" in str(read.said)
