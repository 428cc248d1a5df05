"""The IAM policy that a connection needs: exactly the calls of its sources and of doctor, none on keys unasked."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from gatewatch.records import JSON

SOURCES: tuple[str, ...] = (
    *("inventory", "changes", "metrics", "traces", "keys", "alarms", "config", "usage"),
    *("cloudwatch_logs", "s3", "sqs"),
)
"""What can be switched on; the last three are log sources, whose resources are named one by one (log_source)."""

_GATEWAY = (
    "/account",
    "/restapis",
    "/restapis/*",
    "/apis",
    "/apis/*",
    "/domainnames",
    "/domainnames/*",
    "/usageplans",
    "/vpclinks",
    "/clientcertificates",
)
"""Paths below arn:…:apigateway:REGION:: that the inventory reads."""

_KEYS = ("/apikeys", "/usageplans/*/usage")
_SECRET = ("/apikeys/*", "/usageplans/*/keys", "/usageplans/*/keys/*")

_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "inventory": (
        "acm:DescribeCertificate",
        "cognito-idp:DescribeUserPool",
        "cognito-idp:DescribeUserPoolClient",
        "cognito-idp:ListUserPoolClients",
        "lambda:GetPolicy",
    ),
    "changes": ("cloudtrail:LookupEvents",),
    "metrics": ("cloudwatch:GetMetricData", "cloudwatch:ListMetrics"),
    "traces": ("xray:BatchGetTraces", "xray:GetTraceSegmentDestination", "xray:GetTraceSummaries"),
    "alarms": ("cloudwatch:DescribeAlarmHistory", "cloudwatch:DescribeAlarms"),
    "config": ("config:GetResourceConfigHistory",),
    "usage": ("cloudwatch:GetMetricData", "cloudwatch:ListMetrics"),
}
"""Actions by source. Their resources are `*` where IAM knows none (metrics, traces, trail), or APIs choose them."""


def policy(
    sources: Collection[str], *, regions: Collection[str] = (), partition: str = "aws", resources: Collection[str] = ()
) -> dict[str, Any]:
    """The policy document. regions: empty means all. resources: ARNs of log groups, buckets (with `/*`) and queues."""
    statements: list[dict[str, Any]] = []
    where = sorted(regions) or ["*"]
    paths = (*_GATEWAY,) if "inventory" in sources else ()
    paths = (*paths, *_KEYS) if "keys" in sources else paths
    if paths:
        readable = [f"arn:{partition}:apigateway:{one}::{path}" for one in where for path in paths]
        statements.append(_allow("ApiGatewayRead", ["apigateway:GET"], readable))
        secret = _SECRET if "keys" in sources else ("/apikeys", *_SECRET)
        denied = [f"arn:{partition}:apigateway:*::{path}" for path in secret]
        statements.append({**_allow("NeverReadKeyValues", ["apigateway:GET"], denied), "Effect": "Deny"})
    for source, actions in _ACTIONS.items():
        if source in sources:
            statements.append(_allow(source.capitalize(), list(actions), ["*"]))
    by_service = {
        service: [one for one in resources if one.split(":")[2] == service] for service in ("logs", "s3", "sqs")
    }
    if "cloudwatch_logs" in sources:
        statements.append(_allow("LogGroups", ["logs:FilterLogEvents"], by_service["logs"]))
    if "sqs" in sources:
        statements.append(_allow("Notifications", ["sqs:DeleteMessage", "sqs:ReceiveMessage"], by_service["sqs"]))
    if "s3" in sources or "sqs" in sources:
        objects = [one for one in by_service["s3"] if "/" in one]
        if objects or "s3" in sources:  # a queue may hold changes instead of notices of objects
            statements.append(_allow("LogObjects", ["s3:GetObject"], objects))
    if "s3" in sources:
        buckets = sorted({one.split("/", 1)[0] for one in by_service["s3"]})
        statements.append(_allow("LogObjectsList", ["s3:ListBucket"], buckets))
    return {"Version": "2012-10-17", "Statement": statements}


def log_source(
    kind: str, location: str, options: Mapping[str, JSON], *, partition: str = "aws"
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What a registered source is called here, and the ARNs that it reads; of files: nothing.

    >>> log_source("s3", "s3://logs/apigw/", {})
    (('s3',), ('arn:aws:s3:::logs/apigw/*',))
    >>> log_source("eventbridge", "https://sqs.eu-west-1.amazonaws.com/123456789012/changes", {})
    (('sqs',), ('arn:aws:sqs:eu-west-1:123456789012:changes',))
    """
    region = str(options.get("region") or "*")
    if kind == "cloudwatch_logs":
        group = location.removesuffix(":*")
        arn = group if group.startswith("arn:") else f"arn:{partition}:logs:{region}:*:log-group:{group}"
        return ("cloudwatch_logs",), (f"{arn}:*",)
    if kind == "eventbridge":
        return ("sqs",), (_queue(location, region, partition),)
    if kind not in ("s3", "cloudtrail"):
        return (), ()
    objects = f"arn:{partition}:s3:::{location.removeprefix('s3://').rstrip('*')}*"
    objects = objects if "/" in objects else f"{objects.removesuffix('*')}/*"
    queue = options.get("queue")
    if isinstance(queue, str):  # which tells the keys, so that nothing need be listed
        return ("sqs",), (_queue(queue, region, partition), objects)
    return ("s3",), (objects,)


def _queue(url: str, region: str, partition: str) -> str:
    """A queue's ARN by its URL."""
    told = re.search(r"//(?:sqs\.|(?=[\w-]+\.queue\.))([a-z]{2}(?:-[a-z]+)+-\d)\b", url)
    account, _, name = url.rstrip("/").rpartition("/")
    owner = account.rpartition("/")[2]
    return f"arn:{partition}:sqs:{told[1] if told else region}:{owner if owner.isdigit() else '*'}:{name}"


def trust(principal: str, external_id: str) -> dict[str, Any]:
    """The trust policy of a role: only this principal, and only with the external id."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": principal},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"sts:ExternalId": external_id}},
            }
        ],
    }


def missing_resources(sources: Collection[str], resources: Collection[str]) -> list[str]:
    """What has to be named for these log sources and is not: their ARNs."""
    told = {one.split(":")[2] for one in resources if one.count(":") >= 5}
    wanted = {
        "cloudwatch_logs": ("logs", "arn:aws:logs:REGION:ACCOUNT:log-group:NAME:*"),
        "s3": ("s3", "arn:aws:s3:::BUCKET/PREFIX/*"),
        "sqs": ("sqs", "arn:aws:sqs:REGION:ACCOUNT:QUEUE"),
    }
    return [arn for source, (service, arn) in wanted.items() if source in sources and service not in told]


def _allow(name: str, actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Sid": name, "Effect": "Allow", "Action": actions, "Resource": resources}
