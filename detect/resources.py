"""Which APIs a resource serves, by the inventory: functions, pools, ACLs, plans, keys, domains; by name, id or ARN."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_APIS = ("restApis", "httpApis", "webSocketApis")
_SHARED = ("usagePlans", "apiKeys", "domainNames")
_IDENT_KEYS = ("id", "arn", "uri", "arns")
_NOT_NAMES = frozenset({"accountid", "region", "stagename", "resourceid", "parentid", "deploymentid", "requestid"})
_FUNCTION = re.compile(r":function:([A-Za-z0-9_-]+)")
_SHORTEST = 4
_DEEPEST = 12

Places = frozenset[tuple[str, str | None]]
"""(API, stage) pairs; stage None: all stages of the API."""


@dataclass(frozen=True, slots=True)
class Links:
    """by_word: names in lower case -> the APIs and stages that use what goes by them. named: API -> words of its name.

    doors, behind: API -> the functions of its authorizers, and of its integrations. All are empty without an inventory.
    """

    by_word: Mapping[str, Places] = field(default_factory=dict)
    named: Mapping[str, frozenset[str]] = field(default_factory=dict)
    doors: Mapping[str, frozenset[str]] = field(default_factory=dict)
    behind: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def places(self, resource: str) -> Places:
        """Who uses the resource, by its name, id or ARN; empty when the inventory does not say."""
        return self.by_word.get(short(resource), self.by_word.get(resource.lower(), frozenset()))

    def role(self, resource: str, api: str) -> str | None:
        """What a function does for the API: "door", "behind" or "both"; "none" when it has functions, but not this one.

        None: nobody says which functions the API has.
        """
        doors, behind = self.doors.get(api, frozenset()), self.behind.get(api, frozenset())
        if not doors and not behind:
            return None
        name = short(resource)
        if name in doors:
            return "both" if name in behind else "door"
        return "behind" if name in behind else "none"

    def namesakes(self, resource: str) -> frozenset[str]:
        """The APIs whose whole name is in the resource's name, those with the longest: `shop-auth` is the shop's."""
        words = words_of(resource)
        hits = {api: len(mine) for api, mine in self.named.items() if mine and mine <= words}
        return frozenset(api for api, size in hits.items() if size == max(hits.values()))


def links(inventory: Mapping[str, Any] | None) -> Links:
    """What an inventory says about who uses what."""
    named = {
        ident: words_of(name)
        for kind in _APIS
        for api in _list(inventory, kind)
        if (ident := _ident(api)) is not None and (name := str(api.get("name") or api.get("Name") or ""))
    }
    doors: dict[str, frozenset[str]] = {}
    behind: dict[str, frozenset[str]] = {}
    for kind in _APIS:
        for api in _list(inventory, kind):
            if (ident := _ident(api)) is not None:
                guards = {key: value for key, value in api.items() if key.lower() == "authorizers"}
                doors[ident] = frozenset(_functions(guards))
                behind[ident] = frozenset(_functions({key: api[key] for key in api.keys() - guards.keys()}))
    return Links(_by_word(inventory), named, doors, behind)


def _functions(value: Any, depth: int = 0) -> Iterator[str]:
    """Names of the functions whose ARN stands anywhere below, in lower case."""
    if depth > _DEEPEST:
        return
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _functions(inner, depth + 1)
    elif isinstance(value, str) and (found := _FUNCTION.search(value)):
        yield found[1].lower()


def words_of(text: str) -> frozenset[str]:
    """Its words of three letters or more, in lower case.

    >>> sorted(words_of("shop/Signing-key_2"))
    ['key', 'shop', 'signing']
    """
    return frozenset(word for word in re.split(r"[^a-z0-9]+", text.lower()) if len(word) >= 3)


def _by_word(inventory: Mapping[str, Any] | None) -> dict[str, Places]:
    found: dict[str, set[tuple[str, str | None]]] = {}
    for kind in _APIS:
        for api in _list(inventory, kind):
            ident = _ident(api)
            if ident is None:
                continue
            for stage in _list(api, "stages", "Stages"):
                name = stage.get("stageName") or stage.get("StageName")
                for word in _names(stage):
                    found.setdefault(word, set()).add((ident, str(name) if name else None))
            rest = {key: value for key, value in api.items() if key not in {"stages", "Stages"}}
            for word in _names(rest):
                found.setdefault(word, set()).add((ident, None))
    for kind in _SHARED:
        for thing in _list(inventory, kind):
            places = set(_mentioned(thing))
            for word in _own_names(thing):
                found.setdefault(word, set()).update(places)
    return {word: frozenset(places) for word, places in found.items() if places}


def short(resource: str) -> str:
    """The name inside an ARN or a qualified function name, in lower case.

    >>> short("arn:aws:lambda:eu-west-1:123456789012:function:Pets:live")
    'pets'
    """
    match = _FUNCTION.search(resource)
    if match:
        return match[1].lower()
    tail = resource.rsplit("/", 1)[-1] if "/" in resource else resource.rsplit(":", 1)[-1]
    return tail.lower()


def _names(value: Any, key: str = "", depth: int = 0) -> Iterator[str]:
    """Ids, and the names inside ARNs and URIs, anywhere below."""
    if depth > _DEEPEST:
        return
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _names(inner, str(name), depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _names(inner, key, depth + 1)
    elif isinstance(value, str) and len(value) >= _SHORTEST:
        lower = key.lower()
        if lower.endswith(_IDENT_KEYS) and lower not in _NOT_NAMES:
            for part in {
                short(value),
                *(part.lower() for part in re.split(r"[/:]", value) if value.startswith("arn:")),
            }:
                if len(part) >= _SHORTEST and not part.isdigit():
                    yield part


def _own_names(thing: Mapping[str, Any]) -> Iterator[str]:
    for key in ("id", "name", "domainName", "DomainName", "regionalDomainName"):
        value = thing.get(key)
        if isinstance(value, str) and len(value) >= _SHORTEST:
            yield value.lower()


def _mentioned(thing: Any, depth: int = 0) -> Iterator[tuple[str, str | None]]:
    """The APIs and stages that a plan, key or domain names."""
    if depth > _DEEPEST:
        return
    if isinstance(thing, Mapping):
        api = next((thing[key] for key in ("apiId", "restApiId", "ApiId") if isinstance(thing.get(key), str)), None)
        if api is not None:
            stage = next(
                (thing[key] for key in ("stage", "Stage", "stageName") if isinstance(thing.get(key), str)), None
            )
            yield api, stage
        for key, inner in thing.items():
            if key in {"stageKeys", "StageKeys"} and isinstance(inner, list):
                for text in inner:
                    if isinstance(text, str) and "/" in text:
                        yield text.split("/")[0], text.split("/")[1]
            yield from _mentioned(inner, depth + 1)
    elif isinstance(thing, list):
        for inner in thing:
            yield from _mentioned(inner, depth + 1)


def _ident(api: Mapping[str, Any]) -> str | None:
    return next((str(api[key]) for key in ("id", "ApiId", "apiId") if api.get(key)), None)


def _list(value: Mapping[str, Any] | None, *names: str) -> list[Mapping[str, Any]]:
    for name in names:
        listed = (value or {}).get(name)
        if isinstance(listed, list):
            return [one for one in listed if isinstance(one, Mapping)]
    return []
