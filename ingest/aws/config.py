"""What AWS Config recorded of APIs and stages: each configuration item against the one before, as a change."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gatewatch.records import JSON, Change, ChangeEvent
from ingest.aws.problems import Gone
from ingest.aws.reading import Reader
from ingest.aws.session import Aws, partition

FIRST = timedelta(days=7)
SHOWN = 40
ACTOR = "not told by AWS Config"
SETTINGS = (
    "accessLogSettings",
    "tracingEnabled",
    "webAclArn",
    "methodSettings",
    "defaultRouteSettings",
    "routeSettings",
    "deploymentId",
    "policy",
)
"""What is kept whole of an item, before and after, since a detector judges it. Config records no methods, routes and
authorizers."""

_LONGEST = 200
_MOST_SETTINGS = 6000


@dataclass(frozen=True, slots=True)
class Recorded:
    """A resource that AWS Config may record. place: `API` or `API/STAGE`."""

    kind: str
    ident: str
    place: str


def recorded(inventory: Mapping[str, Any] | None, region: str) -> list[Recorded]:
    """APIs and stages of a region, as Config names them: these four kinds only."""
    out = []
    part = partition(region)
    for lists, prefix, path in (
        (("restApis",), "AWS::ApiGateway", "restapis"),
        (("httpApis", "webSocketApis"), "AWS::ApiGatewayV2", "apis"),
    ):
        for api in (one for name in lists for one in (inventory or {}).get(name) or ()):
            if (api.get("region") or (inventory or {}).get("region") or region) != region:
                continue
            ident = str(api.get("id") or api.get("ApiId"))
            out.append(Recorded(f"{prefix}::{'RestApi' if path == 'restapis' else 'Api'}", ident, ident))
            for stage in api.get("stages") or api.get("Stages") or ():
                name = str(stage.get("stageName") or stage.get("StageName"))
                arn = f"arn:{part}:apigateway:{region}::/{path}/{ident}/stages/{name}"
                out.append(Recorded(f"{prefix}::Stage", arn, f"{ident}/{name}"))
    return out


def pull_config(
    aws: Aws, region: str, resources: Iterable[Recorded], until: datetime | None, now: datetime
) -> list[ChangeEvent]:
    """Changes since the last good look, by time. NotRecorded: Config is off."""
    since = now - FIRST if until is None else until
    reader = Reader(aws, region)
    found = [event for one in resources for event in _changes(reader, one, since, now)]
    return sorted(found, key=lambda event: (event.change.at, event.id))


def _changes(reader: Reader, one: Recorded, since: datetime, now: datetime) -> Iterator[ChangeEvent]:
    asked: dict[str, Any] = {"resourceType": one.kind, "resourceId": one.ident}
    forward = {**asked, "earlierTime": since, "laterTime": now, "chronologicalOrder": "Forward", "limit": 100}
    try:
        items = reader.listed("config", "get_resource_config_history", "configurationItems", "nextToken", **forward)
        if not items:
            return
        past = {**asked, "laterTime": since, "chronologicalOrder": "Reverse", "limit": 1}
        pages = reader.pages("config", "get_resource_config_history", "nextToken", **past)
        old = next((item for page in pages for item in page.get("configurationItems") or ()), None)
    except Gone:
        return
    for item in items:
        if old is not None and old.get("configurationItemCaptureTime") != item.get("configurationItemCaptureTime"):
            event = item_change(one, old, item)
            if event is not None:
                yield event
        old = item


def item_change(one: Recorded, old: Mapping[str, Any], new: Mapping[str, Any]) -> ChangeEvent | None:
    """What became of a resource between two of its items; None: nothing that is shown."""
    at = datetime.fromisoformat(str(new["configurationItemCaptureTime"]))
    listed = list(_differences(_configuration(old), _configuration(new)))
    gone = str(new.get("configurationItemStatus", "")).startswith("ResourceDeleted")
    if not listed and not gone:
        return None
    told = "; ".join(f"{row['path']}: {row['before']} -> {row['after']}" for row in listed[:3])
    return ChangeEvent(
        f"config:{one.kind}:{one.ident}:{at.isoformat()}",
        Change(at, f"{one.kind} {'was deleted' if gone else told}"[:_LONGEST], ACTOR, one.place[:_LONGEST]),
        service="config",
        name="ConfigurationItem",
        account=str(new["accountId"]) if new.get("accountId") else None,
        region=str(new["awsRegion"]) if new.get("awsRegion") else None,
        detail={
            "type": one.kind,
            "differences": [*listed[:SHOWN]],
            "deleted": gone,
            "before": _settings(old),
            "after": None if gone else _settings(new),
        },
    )


def _settings(item: Mapping[str, Any]) -> dict[str, JSON]:
    """The settings that are judged; what is too long to be kept is left out."""
    whole = _configuration(item)
    found = {name: whole[name] for name in SETTINGS if isinstance(whole, dict) and whole.get(name) is not None}
    if isinstance(logs := found.get("accessLogSettings"), dict):
        found["accessLogSettings"] = {"destinationArn": logs.get("destinationArn")}
    return {name: value for name, value in found.items() if len(json.dumps(value)) <= _MOST_SETTINGS}


def _configuration(item: Mapping[str, Any]) -> Any:
    value = item.get("configuration")
    if not isinstance(value, str):
        return value or {}
    try:
        return json.loads(value)
    except ValueError:
        return {}


def _differences(old: Any, new: Any, where: str = "") -> Iterator[dict[str, JSON]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from _differences(old.get(key), new.get(key), f"{where}/{key}")
    elif old != new:
        yield {"path": where, "before": _short(old), "after": _short(new)}


def _short(value: Any) -> str:
    text = "(none)" if value is None else value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
