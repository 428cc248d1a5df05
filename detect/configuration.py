"""The settings of an inventory that somebody may change for the worse, each by its subject; and versions of them.

A subject says where and what: `auth` of a method or route, `waf`, `tracing`, `access_log`, `log_level`, `rate` and
`burst` of a stage, `policy` of an API, `plan_rate` and its like of a usage plan, and that a stage or an API is there.
`content` and `deployed` tell what was configured and what is live.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Any, NamedTuple, TypeAlias

EVERY_METHOD = "*/*"
ALL_APIS = "(all)"
"""The API of what belongs to an account: usage plans."""

Value: TypeAlias = "str | float | None"
"""None: it is not there."""


class Unknown:
    """Nobody told what the value was."""

    def __repr__(self) -> str:
        return "unknown"


UNKNOWN = Unknown()


class Subject(NamedTuple):
    """stage "": of the whole API. name: the method, route or plan where there are several, else ""."""

    account: str
    region: str
    api: str
    stage: str
    what: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """What an inventory said of one account and region. at None: nobody knows as of when.

    names: `API/resource or route id` -> path or route key. deployed_by_hand: APIs whose changes need a deployment.
    unread: APIs whose stages could not be read.
    """

    at: datetime | None
    account: str
    region: str
    settings: Mapping[Subject, Value] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    deployed_by_hand: frozenset[str] = frozenset()
    unread: frozenset[str] = frozenset()

    def value(self, subject: Subject) -> Value | Unknown:
        """What it was; UNKNOWN where the inventory could not tell."""
        if subject in self.settings:
            return self.settings[subject]
        api = Subject(*subject[:3], "", "api")
        if subject.api == ALL_APIS:  # a plan that is gone lets nobody through
            return None if f"{ALL_APIS}/{subject.name}" in self.names else UNKNOWN
        if subject.what == "api":
            return None
        if api not in self.settings or subject.what == "authorizer":
            return UNKNOWN
        if subject.what == "auth" and api._replace(what="content") not in self.settings:
            return UNKNOWN
        if subject.stage and subject.what != "stage" and subject._replace(what="stage", name="") not in self.settings:
            return UNKNOWN
        return UNKNOWN if subject.stage and subject.api in self.unread else None


def version_of(document: Mapping[str, Any], at: datetime | None) -> Version:
    """The settings of a document of one account and region, as of `at`."""
    account, region = str(document.get("accountId") or ""), str(document.get("region") or "")
    settings: dict[Subject, Value] = {}
    names: dict[str, str] = {}
    by_hand: set[str] = set()
    unread: set[str] = set()
    for kind, read in (("restApis", _rest), ("httpApis", _second), ("webSocketApis", _second)):
        for api in _dicts(document.get(kind)):
            ident = str(api.get("id") or api.get("ApiId"))
            read(api, str(api.get("accountId") or account), str(api.get("region") or region), settings, names)
            if kind == "restApis" or any(not stage.get("AutoDeploy") for stage in _dicts(api.get("Stages"))):
                by_hand.add(ident)
            if {"stages", "Stages"} & set(api.get("unread") or ()):
                unread.add(ident)
    for plan in _dicts(document.get("usagePlans")):
        ident = str(plan.get("id"))
        names[f"{ALL_APIS}/{ident}"] = str(plan.get("name") or ident)
        for what, part, key in (
            ("plan_rate", "throttle", "rateLimit"),
            ("plan_burst", "throttle", "burstLimit"),
            ("plan_quota", "quota", "limit"),
        ):
            inner = plan.get(part)
            if isinstance(inner, Mapping) and (value := number(inner.get(key))) is not None:
                settings[Subject(account, region, ALL_APIS, "", what, ident)] = value
    return Version(at, account, region, settings, names, frozenset(by_hand), frozenset(unread))


def item_settings(place: Subject, told: Mapping[str, Any], *, second: bool) -> dict[Subject, Value]:
    """The settings in an item of AWS Config's history: of a stage, or of an API when the place has none.

    second: of an HTTP or WebSocket API. Limits stand only where the item has them at all.
    """
    settings: dict[Subject, Value] = {}
    account, region, api = place[:3]
    if second:
        routes = {f"{key[:1].upper()}{key[1:]}": value for key, value in told.items()}
        for name in ("AccessLogSettings", "DefaultRouteSettings"):
            routes[name] = _capital(routes.get(name))
        given = routes.get("RouteSettings")
        if isinstance(given, Mapping):
            routes["RouteSettings"] = {key: _capital(value) for key, value in given.items()}
        _second({"ApiId": api, "unread": ["Routes"], "Stages": [{**routes, "StageName": place.stage}]}, account, region,
                settings, {})  # fmt: skip
    else:
        stages = [{**told, "stageName": place.stage}] if place.stage else []
        _rest({"id": api, "unread": ["resources"], "policy": told.get("policy"), "stages": stages}, account, region,
              settings, {})  # fmt: skip
    mine = {"waf", "tracing", "access_log", "rate", "burst", "log_level", "deployed"} if place.stage else {"policy"}
    return {one: value for one, value in settings.items() if one.what in mine and one.stage == place.stage}


def _capital(value: Any) -> dict[str, Any]:
    return {f"{key[:1].upper()}{key[1:]}": inner for key, inner in value.items()} if isinstance(value, Mapping) else {}


def before(versions: Sequence[Version], account: str, region: str, at: datetime) -> Version | None:
    """The newest version of the place that was there before `at`. versions: by time."""
    found = None
    for one in versions:
        if one.at is not None and one.at < at and (one.account, one.region) == (account, region):
            found = one
    return found


def number(value: Any) -> float | None:
    """A limit as AWS writes it: a number or its text; what is negative means that there is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        found = float(value)
    except ValueError:
        return None
    return found if found == found and found >= 0 else None


def method_name(text: str) -> str:
    """A method as settings of a stage name it: `~1pets/GET` is /pets GET.

    >>> method_name("~1pets~1{id}/GET")
    'GET /pets/{id}'
    """
    path, _, method = text.rpartition("/")
    if (path, method) == ("*", "*"):
        return EVERY_METHOD
    plain = path.replace("~1", "/").replace("~0", "~")
    return f"{method} {plain if plain.startswith('/') else '/' + plain}"


def policy_text(value: Any) -> str:
    """A resource policy in one form; API Gateway gives it with its quotes escaped."""
    if not isinstance(value, str) or not value.strip():
        return ""
    for text in (value, re.sub(r"\\(.)", r"\1", value)):
        try:
            return json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
        except ValueError:
            continue
    return value


def _rest(
    api: Mapping[str, Any], account: str, region: str, settings: dict[Subject, Value], names: dict[str, str]
) -> None:
    ident, unread = str(api.get("id")), set(api.get("unread") or ())

    def put(what: str, value: Value, stage: str = "", name: str = "") -> None:
        settings[Subject(account, region, ident, stage, what, name)] = value

    put("api", "there")
    put("policy", policy_text(api.get("policy")))
    for resource in _dicts(api.get("resources")):
        names[f"{ident}/{resource.get('id')}"] = str(resource.get("path"))
        for method, told in (resource.get("resourceMethods") or {}).items():
            if isinstance(told, Mapping) and told.get("authorizationType"):
                put("auth", str(told["authorizationType"]), name=f"{resource.get('id')}/{method}")
    if "resources" not in unread:
        put("content", _digest(api.get("resources"), api.get("authorizers"), api.get("policy")))
    for stage in _dicts(api.get("stages")):
        name = str(stage.get("stageName"))
        put("stage", "there", name)
        put("deployed", str(stage.get("deploymentId") or ""), name)
        put("waf", str(stage.get("webAclArn") or ""), name)
        put("tracing", "on" if stage.get("tracingEnabled") else "off", name)
        put("access_log", str((stage.get("accessLogSettings") or {}).get("destinationArn") or ""), name)
        for key, told in (stage.get("methodSettings") or {}).items():
            if isinstance(told, Mapping):
                method = method_name(str(key))
                put("rate", number(told.get("throttlingRateLimit")), name, method)
                put("burst", number(told.get("throttlingBurstLimit")), name, method)
                put("log_level", str(told.get("loggingLevel") or "OFF"), name, method)


def _second(
    api: Mapping[str, Any], account: str, region: str, settings: dict[Subject, Value], names: dict[str, str]
) -> None:
    ident, unread = str(api.get("ApiId")), set(api.get("unread") or ())

    def put(what: str, value: Value, stage: str = "", name: str = "") -> None:
        settings[Subject(account, region, ident, stage, what, name)] = value

    put("api", "there")
    for route in _dicts(api.get("Routes")):
        names[f"{ident}/{route.get('RouteId')}"] = str(route.get("RouteKey"))
        put("auth", str(route.get("AuthorizationType") or "NONE"), name=str(route.get("RouteId")))
    if "Routes" not in unread:
        put("content", _digest(api.get("Routes"), api.get("Integrations"), api.get("Authorizers")))
    for stage in _dicts(api.get("Stages")):
        name = str(stage.get("StageName"))
        put("stage", "there", name)
        put("deployed", "auto" if stage.get("AutoDeploy") else str(stage.get("DeploymentId") or ""), name)
        put("access_log", str((stage.get("AccessLogSettings") or {}).get("DestinationArn") or ""), name)
        routes = {EVERY_METHOD: stage.get("DefaultRouteSettings") or {}, **(stage.get("RouteSettings") or {})}
        for key, told in routes.items():
            if isinstance(told, Mapping):
                put("rate", number(told.get("ThrottlingRateLimit")), name, str(key))
                put("burst", number(told.get("ThrottlingBurstLimit")), name, str(key))
                if told.get("LoggingLevel"):
                    put("log_level", str(told["LoggingLevel"]), name, str(key))


def _dicts(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, list):
        yield from (one for one in value if isinstance(one, Mapping))


def _digest(*values: Any) -> str:
    """Of what was configured, whatever order AWS lists it in."""

    def sorted_(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {str(key): sorted_(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return sorted((sorted_(one) for one in value), key=lambda one: json.dumps(one, sort_keys=True, default=str))
        return value

    text = json.dumps([sorted_(one) for one in values], sort_keys=True, default=str)
    return blake2b(text.encode(), digest_size=12).hexdigest()
