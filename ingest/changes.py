"""CloudTrail records -> the configuration changes that may have caused a finding."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime

from gatewatch.errors import UsageError
from gatewatch.records import JSON, Change
from ingest.documents import json_records

SOURCES: frozenset[str] = frozenset(
    f"{name}.amazonaws.com"
    for name in (
        "apigateway",
        "lambda",
        "cognito-idp",
        "wafv2",
        "iam",
        "secretsmanager",
        "acm",
        "route53",
        "elasticloadbalancing",
        "ecs",
        "dynamodb",
        "servicequotas",
    )
)
"""Services whose changes can break an API. v1 and v2 of API Gateway share a source (aws-facts.md 8.7)."""

_ARN = re.compile(r"arn:[\w-]+:apigateway:[\w-]*:\d*:/(?:restapis|apis)/([^/]+)(?:/stages/([^/]+))?")
_VERSION = re.compile(r"\d{8}(v\d+)?\Z")  # UpdateFunctionCode20150331v2
_READS = ("Get", "List", "Describe", "Lookup", "Head", "Test", "Batch")
_NAMES = (
    "functionName",
    "userPoolId",
    "usagePlanId",
    "apiKey",
    "domainName",
    "roleName",
    "policyName",
    "policyArn",
    "userName",
    "webACLArn",
    "secretId",
    "tableName",
    "service",
    "loadBalancerArn",
    "name",
    "id",
)
_LONGEST = 200
_DEEPEST = 6


def read_changes(path: str) -> list[Change]:
    """Changes in the order of time from JSON lines, `{Records: [...]}`, or LookupEvents' `{Events: [...]}`.

    Reads, refused calls and other services are passed over. UsageError names file and line of what is no record.
    """
    found = []
    for line, record in json_records(path, "Records"):
        for event in _events(path, line, record):
            change = _change(path, line, event)
            if change is not None:
                found.append(change)
    return sorted(found, key=lambda change: (change.at, change.what, change.resource))


def _events(path: str, line: int, record: dict[str, JSON]) -> Iterator[dict[str, JSON]]:
    """The CloudTrail records inside: itself, an EventBridge event's detail, or what LookupEvents wraps."""
    detail, events, text = record.get("detail"), record.get("Events"), record.get("CloudTrailEvent")
    if isinstance(events, list):
        for event in events:
            if isinstance(event, dict):
                yield from _events(path, line, event)
    elif isinstance(text, str):
        try:
            inner = json.loads(text)
        except (ValueError, RecursionError):
            raise UsageError(f"{path}: line {line}: CloudTrailEvent is not JSON") from None
        if isinstance(inner, dict):
            yield inner
    elif isinstance(detail, dict) and "eventName" in detail:
        yield detail
    else:
        yield record


def _change(path: str, line: int, event: dict[str, JSON]) -> Change | None:
    name, source, time = event.get("eventName"), event.get("eventSource"), event.get("eventTime")
    if not isinstance(name, str) or not isinstance(time, str):
        raise UsageError(f"{path}: line {line}: no CloudTrail record (eventName and eventTime are missing)")
    try:
        at = datetime.fromisoformat(time)
    except ValueError:
        raise UsageError(f"{path}: line {line}: eventTime {time[:40]!r} is no ISO 8601 time") from None
    if source not in SOURCES or event.get("errorCode") or name.startswith(_READS):
        return None
    if event.get("readOnly") in (True, "true") or event.get("managementEvent") is False:
        return None
    parameters = event.get("requestParameters")
    asked = parameters if isinstance(parameters, dict) else {}
    return Change(
        at=at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC),
        what=_what(_VERSION.sub("", name), asked)[:_LONGEST],
        actor=_actor(event)[:_LONGEST],
        resource=_resource(event, asked)[:_LONGEST],
    )


def _what(name: str, asked: dict[str, JSON]) -> str:
    """The call, with the first patch operations: `UpdateStage replace /throttling/rateLimit 10`."""
    operations = _find(asked, "patchOperations")
    parts = []
    for operation in operations[:3] if isinstance(operations, list) else []:
        if isinstance(operation, dict):
            words = [str(operation[key]) for key in ("op", "path", "value") if operation.get(key) is not None]
            parts.append(" ".join(words))
    return f"{name} {'; '.join(parts)}" if parts else name


def _actor(event: dict[str, JSON]) -> str:
    identity = event.get("userIdentity")
    if isinstance(identity, dict):
        for key in ("arn", "userName", "invokedBy", "principalId", "type"):
            if isinstance(identity.get(key), str):
                return str(identity[key])
    return "unknown"


def _resource(event: dict[str, JSON], asked: dict[str, JSON]) -> str:
    """`API/STAGE` or `API` where a call names one, else the name of the function, pool, role or ACL."""
    api = _text(asked, "restApiId") or _text(asked, "apiId")
    stage = _text(asked, "stageName")
    if api is None:
        match = _ARN.search(_text(asked, "resourceArn") or "")
        if match:
            api, stage = match[1], match[2]
    if api is None:
        made = event.get("responseElements")
        if str(event.get("eventName", "")).endswith(("RestApi", "Api")) and isinstance(made, dict):
            api = _text(made, "apiId") or _text(made, "id")
    if api is not None:
        return f"{api}/{stage}" if stage else api
    return next((text for key in _NAMES if (text := _text(asked, key))), str(event.get("eventSource")))


def _text(value: JSON, key: str) -> str | None:
    found = _find(value, key)
    return found if isinstance(found, str) and found else None


def _find(value: JSON, key: str, depth: int = 0) -> JSON:
    """The first value of `key` at any depth: CloudTrail nests inputs as it likes (createDeploymentInput...)."""
    if depth > _DEEPEST:
        return None
    if isinstance(value, dict):
        if key in value:
            return value[key]
        children = list(value.values())
    elif isinstance(value, list):
        children = value
    else:
        return None
    return next((found for child in children if (found := _find(child, key, depth + 1)) is not None), None)
