"""What an event asked of the settings of an API: which subject shall have which value from now on.

CloudTrail tells the call, by LookupEvents, files or EventBridge; AWS Config tells both states, and not who did it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from detect.configuration import (
    ALL_APIS,
    EVERY_METHOD,
    UNKNOWN,
    Subject,
    Unknown,
    Value,
    item_settings,
    method_name,
    number,
    policy_text,
)
from gatewatch.records import ChangeEvent

_CONTENT = re.compile(
    r"(?:Put|Update|Delete|Create)(?:Method|MethodResponse|Integration|IntegrationResponse|Resource|Authorizer"
    r"|GatewayResponse|Model|RequestValidator|Route|RouteResponse)\Z|PutRestApi\Z|ReimportApi\Z|UpdateRestApi\Z"
)
_NOT_CONTENT = re.compile(r"/(?:name|description|tags|disableExecuteApiEndpoint|endpointConfiguration)", re.IGNORECASE)
_LIMIT = re.compile(r"(?i)(?:(.*?)/)?throttling/?(rate|burst)limit\Z")
_LEVEL = re.compile(r"(?i)(?:(.*?)/)?(?:logging/loglevel|logginglevel)\Z")
_PLAN = re.compile(r"(?i)(?:throttle/(rate|burst)limit|(quota)/limit|(throttle|quota))\Z")


@dataclass(frozen=True, slots=True)
class Asked:
    """value None: taken away. made: by a call that makes something new, so that nothing is lost by it.

    before: what it was, where the event itself says so.
    """

    subject: Subject
    value: Value
    made: bool = False
    before: Value | Unknown = UNKNOWN


@dataclass(frozen=True, slots=True)
class Effect:
    """asked: settings. content: it has to be deployed to take effect. deployed: the stage on which all is live now."""

    asked: tuple[Asked, ...] = ()
    content: bool = False
    deployed: str | None = None


SERVICES = frozenset({"apigateway", "wafv2", "config"})
"""Those whose events ask for settings of an API."""


def effect_of(event: ChangeEvent) -> Effect:
    """What an event does; nothing for services other than API Gateway, WAF and AWS Config."""
    detail = event.detail if isinstance(event.detail, dict) else {}
    if event.service == "wafv2":
        return Effect(tuple(_waf(event, detail)))
    if event.service == "config":
        return _recorded(event, detail)
    if event.service != "apigateway":
        return Effect()
    api, _, stage = event.change.resource.partition("/")
    patches = [*_patches(detail)]
    content = _CONTENT.match(event.name) is not None
    if event.name == "UpdateRestApi":
        content = any(not _NOT_CONTENT.match(f"/{path}") for _, path, _ in patches)
    moved = event.name == "UpdateStage" and any(_is(path, "deploymentid") for _, path, _ in patches)
    deployed = stage if event.name == "CreateDeployment" or moved else None
    return Effect(tuple(_asked(event, api, stage, detail, patches)), content, deployed)


def _asked(
    event: ChangeEvent, api: str, stage: str, detail: Mapping[str, Any], patches: list[tuple[str, str, Any]]
) -> Iterator[Asked]:
    name = event.name

    def of(what: str, value: Value, *, inner: str = "", on: str = "", made: bool = False) -> Asked:
        return Asked(Subject(event.account or "", event.region or "", api, on, what, inner), value, made)

    if name in ("DeleteRestApi", "DeleteApi"):
        yield of("api", None)
    elif name == "DeleteStage":
        yield of("stage", None, on=stage)
    elif name == "CreateStage":
        yield of("stage", "there", on=stage, made=True)
    elif name == "DeleteAccessLogSettings":
        yield of("access_log", "", on=stage)
    elif name == "UpdateStage":
        yield from (
            Asked(Subject(event.account or "", event.region or "", api, stage, what, inner), value)
            for what, inner, value in _of_stage(patches)
        )
    elif name in ("UpdateMethod", "PutMethod", "DeleteMethod"):
        method = f"{_word(detail, 'resourceId')}/{_word(detail, 'httpMethod')}"
        if name == "DeleteMethod":
            yield of("auth", None, inner=method)
        for _, path, value in patches:
            if _is(path, "authorizationtype"):
                yield of("auth", str(value or "NONE").upper(), inner=method, made=name == "PutMethod")
    elif name in ("UpdateRoute", "CreateRoute", "DeleteRoute"):
        route = _word(detail, "routeId") or _word(detail, "routeKey")
        if name == "DeleteRoute":
            yield of("auth", None, inner=route)
        for _, path, value in patches:
            if _is(path, "authorizationtype"):
                yield of("auth", str(value or "NONE").upper(), inner=route, made=name == "CreateRoute")
    elif name in ("DeleteAuthorizer", "CreateAuthorizer"):
        made = name == "CreateAuthorizer"
        yield of("authorizer", "there" if made else None, inner=_word(detail, "authorizerId"), made=made)
    elif name == "UpdateRestApi":
        for op, path, value in patches:
            if _is(path, "policy"):
                yield of("policy", "" if op == "remove" else policy_text(value))
    elif name == "UpdateUsagePlan":
        plan = _word(detail, "usagePlanId")
        for op, path, value in patches:
            if (found := _PLAN.match(path)) is not None:
                parts = ("rate", "burst") if found[3] == "throttle" else (found[1] or found[2] or found[3],)
                for part in parts:
                    what = f"plan_{str(part).lower()}"
                    subject = Subject(event.account or "", event.region or "", ALL_APIS, "", what, plan)
                    yield Asked(subject, None if op == "remove" else number(value))


def _recorded(event: ChangeEvent, detail: Mapping[str, Any]) -> Effect:
    """What AWS Config saw: its items say what was, and what is."""
    api, _, stage = event.change.resource.partition("/")
    place = Subject(event.account or "", event.region or "", api, stage, "stage" if stage else "api")
    if detail.get("deleted") is True:
        return Effect((Asked(place, None, before="there"),))
    old, new = detail.get("before"), detail.get("after")
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return Effect()  # kept before there were both
    second = str(detail.get("type")).startswith("AWS::ApiGatewayV2::")
    was, now = (item_settings(place, told, second=second) for told in (old, new))
    limits = {"methodSettings", "defaultRouteSettings"} & old.keys() & new.keys()
    asked, deployed = [], None
    for subject in sorted({*was, *now}):
        before, after = was.get(subject), now.get(subject)
        if before == after or (subject.what in ("rate", "burst", "log_level") and not limits):
            continue  # an item without any limits does not say that there are none
        if subject.what == "deployed":
            deployed = stage
        else:
            asked.append(Asked(subject, after, before=before))
    return Effect(tuple(asked), deployed=deployed)


def _of_stage(patches: list[tuple[str, str, Any]]) -> Iterator[tuple[str, str, Value]]:
    """(what, method, value) of the settings of a stage."""
    for op, path, value in patches:
        gone = op == "remove"
        if (found := _LIMIT.match(path)) is not None:
            yield found[2].lower(), _method(found[1]), None if gone else number(value)
        elif (found := _LEVEL.match(path)) is not None:
            yield "log_level", _method(found[1]), "OFF" if gone else str(value).upper()
        elif _is(path, "tracingenabled"):
            yield "tracing", "", "on" if str(value).lower() == "true" and not gone else "off"
        elif _is(path, "webaclarn"):
            yield "waf", "", "" if gone else str(value or "")
        elif path.lower() in ("accesslogsettings/destinationarn", "accesslogsettings"):
            yield "access_log", "", "" if gone else str(value or "")


def _method(text: str | None) -> str:
    """The method in a path of settings: REST `~1pets/GET`, HTTP `routeSettings/GET ~1pets`, or all."""
    head = (text or "").strip("/")
    if not head or head.lower() == "defaultroutesettings":
        return EVERY_METHOD
    if head.lower().startswith("routesettings/"):
        return head.split("/", 1)[1].replace("~1", "/").replace("~0", "~")
    return method_name(head)


def _waf(event: ChangeEvent, detail: Mapping[str, Any]) -> Iterator[Asked]:
    api, _, stage = event.change.resource.partition("/")
    arn = _word(detail, "resourceArn")
    if event.name not in ("AssociateWebACL", "DisassociateWebACL") or ":apigateway:" not in arn or not stage:
        return
    value = _word(detail, "webACLArn") if event.name == "AssociateWebACL" else ""
    yield Asked(Subject(event.account or "", event.region or "", api, stage, "waf"), value)


def _patches(detail: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """(op, path without its first slash, value): patch operations, or the fields themselves where a call has none."""
    listed = _find(detail, "patchOperations")
    if isinstance(listed, list):
        for one in listed:
            if isinstance(one, Mapping):
                yield str(one.get("op") or "replace"), str(one.get("path") or "").lstrip("/"), one.get("value")
        return
    yield from _fields(detail, "")


def _fields(value: Mapping[str, Any], where: str) -> Iterator[tuple[str, str, Any]]:
    for key, inner in value.items():
        # The inputs of calls are wrapped: putMethodInput {...}.
        path = where if key.endswith("Input") and not where else f"{where}/{key}".lstrip("/")
        if isinstance(inner, Mapping):
            yield from _fields(inner, path)
        else:
            yield "replace", path, inner


def _is(path: str, name: str) -> bool:
    return path.lower() == name


def _word(value: Any, key: str) -> str:
    found = _find(value, key)
    return found if isinstance(found, str) else ""


def _find(value: Any, key: str, depth: int = 0) -> Any:
    if depth > 6 or not isinstance(value, Mapping | list):
        return None
    if isinstance(value, Mapping):
        lower = {str(name).lower(): inner for name, inner in value.items()}
        if key.lower() in lower:
            return lower[key.lower()]
    children = value.values() if isinstance(value, Mapping) else value
    return next((found for child in children if (found := _find(child, key, depth + 1)) is not None), None)
