"""Tries every right that a source needs with the cheapest call there is, and says in one line what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gatewatch.errors import GatewatchError
from gatewatch.records import JSON
from ingest.aws.loggroups import named
from ingest.aws.problems import Gone, explained
from ingest.aws.session import Aws
from ingest.aws.spending import CapReached, on_behalf_of

_NONE = "gatewatch-doctor-asks-for-nothing"
"""A name that nothing bears: that it is not there is said only to those who may ask."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One right of one source. said: one line with the fix; None: it is there. advice: what the answer makes us say."""

    source: str
    action: str
    said: str | None
    advice: str | None = None


@dataclass(frozen=True, slots=True)
class _Call:
    action: str
    service: str
    operation: str
    asked: Mapping[str, Any]
    advice: Callable[[Mapping[str, Any]], str | None] | None = None


def try_rights(aws: Aws, region: str, sources: Collection[str], now: datetime) -> Iterator[Tried]:
    """Each right of the sources, in their order. Nothing is raised."""
    for source in CALLS:
        if source not in sources:
            continue
        with on_behalf_of(source):
            for call in CALLS[source](region, now):
                yield Tried(source, call.action, *_said(aws, region, call))


def try_log_source(
    clients: Callable[[str], Any], kind: str, location: str, options: Mapping[str, JSON], now: datetime
) -> Iterator[Tried]:
    """The rights to read a log group, a bucket or a queue."""
    with on_behalf_of("logs"):
        for call in _log_calls(kind, location, options, now):
            said: str | None = None
            try:
                with explained(location, service=call.service):
                    group = named(clients, location) if call.service == "logs" else {}
                    getattr(clients(call.service), call.operation)(**group, **call.asked)
            except Gone as error:
                # An object that is not there is as good as one that is; a group or bucket is not.
                said = None if call.operation == "get_object" and "bucket" not in str(error) else str(error)
            except GatewatchError as error:
                said = str(error)
            yield Tried("logs", call.action, said)


def _said(aws: Aws, region: str, call: _Call) -> tuple[str | None, str | None]:
    """What is wrong, and what the answer makes us say."""
    try:
        with aws.asking(call.service, region) as client:
            answer = getattr(client, call.operation)(**call.asked)
    except Gone:
        return None, None
    except CapReached as error:
        return f"not tried: {error}", None
    except GatewatchError as error:
        return str(error), None
    return None, None if call.advice is None else call.advice(answer)


def transaction_search(answer: Mapping[str, Any]) -> bool:
    """Whether X-Ray keeps its segments as spans of the log group aws/spans ."""
    return answer.get("Destination") == "CloudWatchLogs"


def _spans_advice(answer: Mapping[str, Any]) -> str | None:
    if not transaction_search(answer):
        return None
    return (
        "Transaction Search is on: traces are spans of the log group aws/spans, of which X-Ray itself finds an indexed "
        "part only"
    )


def _inventory(region: str, now: datetime) -> list[_Call]:  # noqa: ARG001
    read = [
        ("/account", "apigateway", "get_account", {}),
        ("/restapis", "apigateway", "get_rest_apis", {"limit": 1}),
        ("/apis", "apigatewayv2", "get_apis", {"MaxResults": "1"}),
        ("/domainnames", "apigateway", "get_domain_names", {"limit": 1}),
        ("/usageplans", "apigateway", "get_usage_plans", {"limit": 1}),
        ("/vpclinks", "apigateway", "get_vpc_links", {"limit": 1}),
        ("/clientcertificates", "apigateway", "get_client_certificates", {"limit": 1}),
    ]
    certificate = f"arn:aws:acm:{region}:000000000000:certificate/00000000-0000-0000-0000-000000000000"
    pool = f"{region}_000000000"
    return [
        *(_Call(f"apigateway:GET {path}", *rest) for path, *rest in read),  # type: ignore[arg-type]
        _Call("acm:DescribeCertificate", "acm", "describe_certificate", {"CertificateArn": certificate}),
        _Call("lambda:GetPolicy", "lambda", "get_policy", {"FunctionName": _NONE}),
        _Call("cognito-idp:DescribeUserPool", "cognito-idp", "describe_user_pool", {"UserPoolId": pool}),
        _Call(
            "cognito-idp:ListUserPoolClients", "cognito-idp", "list_user_pool_clients",
            {"UserPoolId": pool, "MaxResults": 1},
        ),
        _Call(
            "cognito-idp:DescribeUserPoolClient", "cognito-idp", "describe_user_pool_client",
            {"UserPoolId": pool, "ClientId": "0"},
        ),
    ]  # fmt: skip


def _changes(region: str, now: datetime) -> list[_Call]:  # noqa: ARG001
    asked = {"MaxResults": 1, "StartTime": now - timedelta(minutes=5), "EndTime": now}
    return [_Call("cloudtrail:LookupEvents", "cloudtrail", "lookup_events", asked)]


def _metrics(region: str, now: datetime) -> list[_Call]:  # noqa: ARG001
    metric = {"Metric": {"Namespace": "AWS/ApiGateway", "MetricName": "Count"}, "Period": 60, "Stat": "Sum"}
    asked = {
        "MetricDataQueries": [{"Id": "q0", "MetricStat": metric}],
        "StartTime": now - timedelta(minutes=5),
        "EndTime": now,
    }
    return [
        _Call("cloudwatch:ListMetrics", "cloudwatch", "list_metrics", {"Namespace": "AWS/ApiGateway"}),
        _Call("cloudwatch:GetMetricData", "cloudwatch", "get_metric_data", asked),
    ]


def _traces(region: str, now: datetime) -> list[_Call]:  # noqa: ARG001
    second = {"StartTime": now - timedelta(seconds=1), "EndTime": now}
    nothing = f"1-{int(now.timestamp()):08x}-000000000000000000000000"
    return [
        _Call("xray:GetTraceSummaries", "xray", "get_trace_summaries", second),
        _Call("xray:BatchGetTraces", "xray", "batch_get_traces", {"TraceIds": [nothing]}),
        _Call("xray:GetTraceSegmentDestination", "xray", "get_trace_segment_destination", {}, advice=_spans_advice),
    ]


def _alarms(region: str, now: datetime) -> list[_Call]:  # noqa: ARG001
    return [
        _Call("cloudwatch:DescribeAlarms", "cloudwatch", "describe_alarms", {"MaxRecords": 1}),
        _Call("cloudwatch:DescribeAlarmHistory", "cloudwatch", "describe_alarm_history", {"MaxRecords": 1}),
    ]


def _config(region: str, now: datetime) -> list[_Call]:  # noqa: ARG001
    asked = {"resourceType": "AWS::ApiGateway::RestApi", "resourceId": "none000000", "limit": 1}
    return [_Call("config:GetResourceConfigHistory", "config", "get_resource_config_history", asked)]


def _keys(region: str, now: datetime) -> list[_Call]:  # noqa: ARG001
    day = f"{now:%Y-%m-%d}"
    return [
        _Call("apigateway:GET /apikeys", "apigateway", "get_api_keys", {"limit": 1, "includeValues": False}),
        _Call(
            "apigateway:GET /usageplans/*/usage", "apigateway", "get_usage",
            {"usagePlanId": "none", "startDate": day, "endDate": day},
        ),
    ]  # fmt: skip


CALLS: Mapping[str, Callable[[str, datetime], list[_Call]]] = {
    "inventory": _inventory,
    "changes": _changes,
    "metrics": _metrics,
    "traces": _traces,
    "keys": _keys,
    "alarms": _alarms,
    "config": _config,
    "usage": _metrics,
}


def _log_calls(kind: str, location: str, options: Mapping[str, JSON], now: datetime) -> Iterator[_Call]:
    if kind == "cloudwatch_logs":
        asked = {"limit": 1, "startTime": int(now.timestamp() * 1000) - 1000}
        yield _Call("logs:FilterLogEvents", "logs", "filter_log_events", asked)
    elif kind == "eventbridge":
        peek = {"QueueUrl": location, "MaxNumberOfMessages": 1, "VisibilityTimeout": 0}
        yield _Call("sqs:ReceiveMessage", "sqs", "receive_message", peek)
    elif kind in ("s3", "cloudtrail"):
        found = re.match(r"s3://([^/]+)/?(.*)", location, re.DOTALL)
        if found is None:
            return
        bucket, prefix = found[1], found[2]
        if isinstance(queue := options.get("queue"), str):
            # Seen by nobody for no time: the message stays for the source.
            peek = {"QueueUrl": queue, "MaxNumberOfMessages": 1, "VisibilityTimeout": 0}
            yield _Call("sqs:ReceiveMessage", "sqs", "receive_message", peek)
            return  # who may not list is told nothing of objects: one that is not there looks like one that is shut
        yield _Call("s3:ListBucket", "s3", "list_objects_v2", {"Bucket": bucket, "Prefix": prefix, "MaxKeys": 1})
        yield _Call("s3:GetObject", "s3", "get_object", {"Bucket": bucket, "Key": f"{prefix}{_NONE}"})
