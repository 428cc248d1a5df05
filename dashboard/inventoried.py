"""What an inventory document (design.md 4) says of an API: routes, authorization, limits, plans; unread is not none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from detect.inventory import declared

_TYPES = {"restApis": "rest", "httpApis": "http", "webSocketApis": "websocket"}
_OWNER_TAGS = ("owner", "team", "service-owner", "contact")
_AUTH = {
    "NONE": "none",
    "AWS_IAM": "IAM",
    "CUSTOM": "Lambda authorizer",
    "COGNITO_USER_POOLS": "Cognito",
    "JWT": "JWT",
}


@dataclass(frozen=True, slots=True)
class Limit:
    """Requests a second, and how many at once. None: not set, so the next wider limit holds."""

    rate: float | None = None
    burst: int | None = None

    @property
    def set(self) -> bool:
        return self.rate is not None or self.burst is not None


@dataclass(frozen=True, slots=True)
class RouteDoc:
    """A declared route. auth: in words; key: needs an API key; authorizer: its id."""

    route: str
    auth: str
    key: bool = False
    authorizer: str | None = None


@dataclass(frozen=True, slots=True)
class AuthorizerDoc:
    """ttl_s None: not said; function: the Lambda behind it."""

    id: str
    name: str
    kind: str
    ttl_s: int | None = None
    function: str | None = None


@dataclass(frozen=True, slots=True)
class StageDoc:
    """limit: of the stage itself; limits: of single routes."""

    name: str
    limit: Limit
    limits: Mapping[str, Limit] = field(default_factory=dict)
    waf: bool = False
    tracing: bool = False
    cache: bool = False
    logged: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)


def _owner(tags: Mapping[str, str]) -> str | None:
    return next((value for name, value in tags.items() if name.lower() in _OWNER_TAGS and value), None)


@dataclass(frozen=True, slots=True)
class ApiDoc:
    """unread: fields that we were not allowed to see."""

    id: str
    name: str
    api_type: str
    account: str | None
    region: str | None
    created: str | None
    description: str | None
    deprecated: bool
    endpoint: str
    default_endpoint: bool
    routes: tuple[RouteDoc, ...]
    authorizers: tuple[AuthorizerDoc, ...]
    stages: tuple[StageDoc, ...]
    tags: Mapping[str, str]
    unread: frozenset[str]

    def stage(self, name: str | None) -> StageDoc | None:
        return next((one for one in self.stages if one.name == name), None)

    def owner(self, stage: str | None = None) -> str | None:
        """By a tag `owner` or `team` of the stage, or of all stages; else of the API."""
        asked = [one for one in self.stages if stage in (None, one.name)]
        found = dict.fromkeys(filter(None, (_owner(one.tags) for one in asked)))
        return ", ".join(found) or _owner(self.tags)

    @property
    def auth(self) -> tuple[str, ...]:
        """The ways of authorization that its routes have, API keys included."""
        found = dict.fromkeys(one.auth for one in self.routes)
        if any(one.key for one in self.routes):
            found["API key"] = None
            if all(one.key for one in self.routes if one.auth == "none"):
                found.pop("none", None)
        return tuple(found)


@dataclass(frozen=True, slots=True)
class PlanDoc:
    """A usage plan. stages: (API, stage); keys: id -> name, None: not known; quota None: no quota."""

    id: str
    name: str
    limit: Limit
    quota: int | None
    period: str | None
    stages: tuple[tuple[str, str | None], ...]
    keys: Mapping[str, str] | None
    unread: frozenset[str]


@dataclass(frozen=True, slots=True)
class Inventory:
    """accounts: limit of the whole account and region, where it was read."""

    apis: Mapping[str, ApiDoc] = field(default_factory=dict)
    plans: tuple[PlanDoc, ...] = ()
    keys: Mapping[str, str] = field(default_factory=dict)
    disabled: frozenset[str] = frozenset()
    account: Limit = Limit()
    unread: frozenset[str] = frozenset()
    known: bool = False

    def plans_of(self, api: str, stage: str | None = None) -> list[PlanDoc]:
        return [one for one in self.plans if any(a == api and stage in (None, s) for a, s in one.stages)]

    def plan_of(self, key: str, api: str, stage: str | None) -> PlanDoc | None:
        """The plan that a key has on a stage: it names the key, or it is the only one of the stage."""
        plans = self.plans_of(api, stage)
        named = [one for one in plans if one.keys is not None and key in one.keys]
        if named:
            return named[0]
        return plans[0] if len(plans) == 1 and plans[0].keys is None else None

    def key_name(self, key: str) -> str | None:
        """What people call a key, or None."""
        plans = (one.keys.get(key) for one in self.plans if one.keys)
        return self.keys.get(key) or next(filter(None, plans), None)


def inventory_of(document: Mapping[str, Any] | None) -> Inventory:
    """None: nothing is known."""
    if document is None:
        return Inventory()
    old = {one.api for one in declared(document) if one.deprecated}
    apis = {
        made.id: made
        for kind, api_type in _TYPES.items()
        for one in _list(document, kind)
        if (made := _api(one, api_type, document, old)) is not None
    }
    keys = _list(document, "apiKeys")
    return Inventory(
        apis=apis,
        plans=tuple(_plan(one) for one in _list(document, "usagePlans")),
        keys={_text(one, "id"): _text(one, "name") for one in keys if _text(one, "id")},
        disabled=frozenset(_text(one, "id") for one in keys if one.get("enabled") is False),
        account=_limit(_map(document, "account").get("throttleSettings"), "rateLimit", "burstLimit"),
        unread=_unread(document),
        known=True,
    )


def _api(one: Mapping[str, Any], api_type: str, document: Mapping[str, Any], old: set[str]) -> ApiDoc | None:
    ident = _text(one, "id", "ApiId", "apiId")
    if not ident:
        return None
    endpoint = _map(one, "endpointConfiguration").get("types")
    return ApiDoc(
        id=ident,
        name=_text(one, "name", "Name") or ident,
        api_type=api_type,
        account=_text(one, "accountId") or _text(document, "accountId") or None,
        region=_text(one, "region") or _text(document, "region") or None,
        created=_text(one, "createdDate", "CreatedDate") or None,
        description=_text(one, "description", "Description") or None,
        deprecated=ident in old,
        endpoint=", ".join(map(str, endpoint)) if isinstance(endpoint, list) else _text(one, "ApiEndpoint"),
        default_endpoint=not (one.get("disableExecuteApiEndpoint") or one.get("DisableExecuteApiEndpoint")),
        routes=tuple(_rest_routes(one) if api_type == "rest" else _second_routes(one)),
        authorizers=tuple(_authorizer(given) for given in _list(one, "authorizers", "Authorizers")),
        stages=tuple(_stage(given) for given in _list(one, "stages", "Stages", "item", "items")),
        tags=_tags(one),
        unread=_unread(one),
    )


def _rest_routes(api: Mapping[str, Any]) -> Iterator[RouteDoc]:
    for resource in _list(api, "resources"):
        path = _text(resource, "path")
        for method, given in sorted(_map(resource, "resourceMethods").items()):
            told = given if isinstance(given, Mapping) else {}
            kind = _text(told, "authorizationType")
            yield RouteDoc(
                f"{method} {path}",
                _AUTH.get(kind, kind or "not known"),
                told.get("apiKeyRequired") is True,
                _text(told, "authorizerId") or None,
            )


def _second_routes(api: Mapping[str, Any]) -> Iterator[RouteDoc]:
    for one in _list(api, "Routes"):
        kind = _text(one, "AuthorizationType")
        auth = _AUTH.get(kind, kind or "not known")
        yield RouteDoc(
            _text(one, "RouteKey"), auth, one.get("ApiKeyRequired") is True, _text(one, "AuthorizerId") or None
        )


def _authorizer(one: Mapping[str, Any]) -> AuthorizerDoc:
    ttl = one.get("authorizerResultTtlInSeconds", one.get("AuthorizerResultTtlInSeconds"))
    uri = _text(one, "authorizerUri", "AuthorizerUri")
    return AuthorizerDoc(
        id=_text(one, "id", "AuthorizerId"),
        name=_text(one, "name", "Name"),
        kind=_text(one, "type", "AuthorizerType"),
        ttl_s=ttl if isinstance(ttl, int) else None,
        function=uri.split(":function:")[1].split("/")[0] if ":function:" in uri else None,
    )


def _stage(one: Mapping[str, Any]) -> StageDoc:
    """REST: methodSettings by `*/*` and `~1path/GET`; the others: DefaultRouteSettings and RouteSettings by route."""
    settings = {name: given for name, given in _map(one, "methodSettings").items() if isinstance(given, Mapping)}
    whole = settings.pop("*/*", None) or _map(one, "DefaultRouteSettings", "defaultRouteSettings")
    limits = {_method(name): _throttle(given) for name, given in settings.items()}
    for name, given in _map(one, "RouteSettings", "routeSettings").items():
        limits[name] = _throttle(given if isinstance(given, Mapping) else {})
    logs = _map(one, "accessLogSettings", "AccessLogSettings")
    return StageDoc(
        name=_text(one, "stageName", "StageName"),
        limit=_throttle(whole),
        limits={name: limit for name, limit in limits.items() if limit.set},
        waf=bool(_text(one, "webAclArn")),
        tracing=one.get("tracingEnabled") is True,
        cache=one.get("cacheClusterEnabled") is True,
        logged=bool(_text(logs, "format", "Format")),
        tags=_tags(one),
    )


def _method(name: str) -> str:
    """`~1pets~1{id}/GET` -> `GET /pets/{id}`."""
    path, _, verb = name.rpartition("/")
    path = path.replace("~1", "/").replace("~0", "~")
    return f"{verb} /{path.removeprefix('/')}"


def _plan(one: Mapping[str, Any]) -> PlanDoc:
    quota = _map(one, "quota")
    amount = quota.get("limit")
    return PlanDoc(
        id=_text(one, "id"),
        name=_text(one, "name"),
        limit=_limit(one.get("throttle"), "rateLimit", "burstLimit"),
        quota=amount if isinstance(amount, int) else None,
        period=_text(quota, "period") or None,
        stages=tuple((_text(given, "apiId"), _text(given, "stage") or None) for given in _list(one, "apiStages")),
        keys={_text(given, "id"): _text(given, "name") for given in _list(one, "keys") if _text(given, "id")}
        if isinstance(one.get("keys"), list)
        else None,
        unread=_unread(one),
    )


def _throttle(given: Mapping[str, Any]) -> Limit:
    first = _limit(given, "throttlingRateLimit", "throttlingBurstLimit")
    return first if first.set else _limit(given, "ThrottlingRateLimit", "ThrottlingBurstLimit")


def _limit(given: object, rate: str, burst: str) -> Limit:
    """A negative number means: not set (aws-facts.md 7)."""
    told = given if isinstance(given, Mapping) else {}

    def number(name: str) -> float | None:
        value = told.get(name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None

    burst_value = number(burst)
    return Limit(number(rate), None if burst_value is None else int(burst_value))


def _tags(one: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in _map(one, "tags", "Tags").items()}


def _unread(one: Mapping[str, Any]) -> frozenset[str]:
    value = one.get("unread")
    return frozenset(map(str, value)) if isinstance(value, list) else frozenset()


def _text(one: Mapping[str, Any], *names: str) -> str:
    return next((value for name in names if isinstance(value := one.get(name), str) and value), "")


def _map(one: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    return next((value for name in names if isinstance(value := one.get(name), Mapping)), {})


def _list(one: Mapping[str, Any], *names: str) -> Sequence[Mapping[str, Any]]:
    for name in names:
        value = one.get(name)
        if isinstance(value, list):
            return [given for given in value if isinstance(given, Mapping)]
    return []
