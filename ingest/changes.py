"""CloudTrail records -> the configuration changes that may have caused a finding, each once by its event id."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from hashlib import blake2b

from gatewatch.errors import UsageError
from gatewatch.records import JSON, Change, ChangeEvent
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
_LONGEST_DETAIL = 16384
_DEEPEST = 6
_SECRET = re.compile(r"(?i)passw|secret(?!arn|id|name)|token$|privatekey|credential|certificatebody")


def read_changes(paths: Iterable[str]) -> list[ChangeEvent]:
    """Changes in the order of time from JSON lines, `{Records: [...]}`, or LookupEvents' `{Events: [...]}`.

    Reads, refused calls and other services are passed over; an event that stands there twice is one. UsageError names
    file and line of what is no record.
    """
    found: dict[str, ChangeEvent] = {}
    for path in paths:
        for line, record in json_records(path, "Records"):
            try:
                for event in change_events(record):
                    found.setdefault(event.id, event)
            except ValueError as error:
                raise UsageError(f"{path}: line {line}: {error}") from None
    return sorted(found.values(), key=lambda one: (one.change.at, one.change.what, one.change.resource, one.id))


def change_events(record: dict[str, JSON]) -> Iterator[ChangeEvent]:
    """The changes in a CloudTrail record, an EventBridge event or an answer of LookupEvents.

    ValueError: it is none of these.
    """
    for event in _records(record):
        change = _change(event)
        if change is not None:
            yield change


def event_changes(event: dict[str, JSON]) -> list[ChangeEvent]:
    """The changes in an EventBridge event; none in events of other kinds. ValueError: it is no event."""
    if not isinstance(event.get("detail-type"), str) or not isinstance(event.get("detail"), dict):
        raise ValueError("no EventBridge event (detail-type and detail are missing)")
    detail = event["detail"]
    return list(change_events(event)) if isinstance(detail, dict) and "eventName" in detail else []


def _records(record: dict[str, JSON]) -> Iterator[dict[str, JSON]]:
    """The CloudTrail records inside: itself, an EventBridge event's detail, or what LookupEvents wraps."""
    detail, events, text = record.get("detail"), record.get("Events"), record.get("CloudTrailEvent")
    if isinstance(events, list):
        for event in events:
            if isinstance(event, dict):
                yield from _records(event)
    elif isinstance(text, str):
        try:
            inner = json.loads(text)
        except (ValueError, RecursionError):
            raise ValueError("CloudTrailEvent is not JSON") from None
        if isinstance(inner, dict):
            yield inner
    elif isinstance(detail, dict) and "eventName" in detail:
        yield detail
    else:
        yield record


def _change(event: dict[str, JSON]) -> ChangeEvent | None:
    name, source, time = event.get("eventName"), event.get("eventSource"), event.get("eventTime")
    if not isinstance(name, str) or not isinstance(time, str):
        raise ValueError("no CloudTrail record (eventName and eventTime are missing)")
    try:
        at = datetime.fromisoformat(time)
    except ValueError:
        raise ValueError(f"eventTime {time[:40]!r} is no ISO 8601 time") from None
    if not isinstance(source, str) or source not in SOURCES or event.get("errorCode") or name.startswith(_READS):
        return None
    if event.get("readOnly") in (True, "true") or event.get("managementEvent") is False:
        return None
    parameters = event.get("requestParameters")
    asked = parameters if isinstance(parameters, dict) else {}
    change = Change(
        at=at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC),
        what=_what(_VERSION.sub("", name), asked)[:_LONGEST],
        actor=_actor(event)[:_LONGEST],
        resource=_resource(event, asked)[:_LONGEST],
    )
    return ChangeEvent(
        _event_id(event),
        change,
        service=source.partition(".")[0],
        name=_VERSION.sub("", name)[:_LONGEST],
        account=_word(event, "recipientAccountId") or _word(event.get("userIdentity"), "accountId"),
        region=_word(event, "awsRegion"),
        user_agent=_word(event, "userAgent"),
        detail=_bounded(_without_secrets(asked)),
    )


def _event_id(event: dict[str, JSON]) -> str:
    """Unique for ever in CloudTrail; a record without one is known by all that it says."""
    ident = event.get("eventID")
    if isinstance(ident, str) and 0 < len(ident) <= _LONGEST:
        return ident
    text = json.dumps(event, sort_keys=True, ensure_ascii=True)
    return "digest:" + blake2b(text.encode(), digest_size=16).hexdigest()


def _word(value: JSON, key: str) -> str | None:
    found = value.get(key) if isinstance(value, dict) else None
    return found[:_LONGEST] if isinstance(found, str) and found else None


def _without_secrets(value: JSON, depth: int = 0) -> JSON:
    """What was asked for without the values of keys and passwords: CloudTrail hides most of them, not all."""
    if depth > 2 * _DEEPEST:
        return None
    if isinstance(value, dict):
        return {
            key: "(hidden)" if _SECRET.search(key) and isinstance(inner, str) else _without_secrets(inner, depth + 1)
            for key, inner in value.items()
        }
    return [_without_secrets(one, depth + 1) for one in value] if isinstance(value, list) else value


def _bounded(value: JSON) -> JSON:
    """The value, or how long it is where it is too long to be kept (an imported API is a whole document)."""
    size = len(json.dumps(value))
    return value if size <= _LONGEST_DETAIL else {"(left out)": f"{size} characters"}


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
