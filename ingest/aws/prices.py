"""List prices of the calls that we make, in billionths of a dollar (AWS price lists, us-east-1, without free tiers).

What stands in no table costs nothing by itself: API Gateway, CloudTrail LookupEvents, X-Ray's groups, STS, ACM,
WAF, Lambda and Cognito reads, AWS Config history.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NANO = 1_000_000_000
"""Units in a dollar."""

_PER_CALL: Mapping[tuple[str, str], int] = {
    ("cloudwatch", "ListMetrics"): 10_000,  # $0.01 per 1,000 requests
    ("cloudwatch", "DescribeAlarms"): 10_000,
    ("cloudwatch", "DescribeAlarmHistory"): 10_000,
    ("s3", "ListObjectsV2"): 5_000,  # $0.005 per 1,000
    ("s3", "GetObject"): 400,  # $0.0004 per 1,000
    ("s3", "HeadObject"): 400,
    ("sqs", "ReceiveMessage"): 400,  # $0.40 per million
    ("sqs", "DeleteMessage"): 400,
    ("sqs", "DeleteMessageBatch"): 400,
    ("sqs", "ChangeMessageVisibility"): 400,
    ("sqs", "GetQueueAttributes"): 400,
    ("kms", "Decrypt"): 3_000,  # $0.03 per 10,000
}
METRIC = 10_000
"""A metric in GetMetricData: $0.01 per 1,000; up to STATS_A_METRIC statistics of one metric and period count once."""

STATS_A_METRIC = 5
TRACE = 500
"""A trace retrieved or scanned by X-Ray: $0.50 per million."""

_SCANNED_GB = 5_000_000  # Logs Insights: $0.005 per GB


def before(service: str, operation: str, parameters: Mapping[str, Any]) -> int:
    """What a call costs by what it asks for, known before it is sent."""
    if (service, operation) == ("cloudwatch", "GetMetricData"):
        return METRIC * billed_metrics(parameters.get("MetricDataQueries", ()))
    if (service, operation) == ("xray", "BatchGetTraces"):
        return TRACE * len(parameters.get("TraceIds", ()))
    return _PER_CALL.get((service, operation), 0)


def after(service: str, operation: str, answer: Mapping[str, Any]) -> int:
    """What a call costs in addition by what it was answered."""
    if (service, operation) == ("xray", "GetTraceSummaries"):
        return TRACE * int(answer.get("TracesProcessedCount") or 0)
    if (service, operation) == ("logs", "GetQueryResults") and answer.get("status") == "Complete":
        scanned = float((answer.get("statistics") or {}).get("bytesScanned") or 0.0)
        return round(_SCANNED_GB * scanned / 1e9)
    return 0


def billed_metrics(queries: Any) -> int:
    """How many metrics GetMetricData bills: those asked for with the same period, five statistics of each as one."""
    stats: dict[str, int] = {}
    for query in queries:
        asked = query.get("MetricStat")
        if asked is None:
            continue
        metric = asked["Metric"]
        sizes = sorted((one["Name"], one["Value"]) for one in metric.get("Dimensions", ()))
        key = repr((metric.get("Namespace"), metric.get("MetricName"), sizes, asked.get("Period")))
        stats[key] = stats.get(key, 0) + 1
    return sum(-(-n // STATS_A_METRIC) for n in stats.values())
