"""What is really going on in a world: incidents to be found, and benign happenings that must not be alarmed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from gatewatch.records import JSON, iso
from gatewatch.simulate.model import World

VERSION = 1

LEVELS: tuple[str, ...] = ("blatant", "moderate", "subtle")


@dataclass(frozen=True, slots=True)
class Scope:
    """A route of a stage, or the whole stage (route None)."""

    api_id: str
    stage: str
    route: str | None = None

    def to_json(self) -> dict[str, JSON]:
        return {"api_id": self.api_id, "stage": self.stage, "route": self.route}


@dataclass(frozen=True, slots=True)
class Culprits:
    """Who is to be named, as the log lines write them. Empty: nobody can be told."""

    ips: tuple[str, ...] = ()
    api_key_ids: tuple[str, ...] = ()
    principals: tuple[str, ...] = ()
    user_agents: tuple[str, ...] = ()
    asns: tuple[str, ...] = ()

    def to_json(self) -> dict[str, JSON]:
        return {
            "ips": list(self.ips),
            "apiKeyIds": list(self.api_key_ids),
            "principals": list(self.principals),
            "userAgents": list(self.user_agents),
            "asns": list(self.asns),
        }


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that must be found. end_ms None: still going on at the world's end.

    accept_subtypes, accept_causes: what is defensible, too. scope: everything touched; the first is where it belongs.
    layer: for latency and outages gateway, waf, authorizer, integration, … tell: one sentence, what gives it away.
    """

    id: str
    scenario: str
    kind: str
    subtype: str
    level: str
    traffic: str
    scope: tuple[Scope, ...]
    start_ms: int
    end_ms: int | None
    cause: str
    tell: str
    accept_subtypes: tuple[str, ...] = ()
    accept_causes: tuple[str, ...] = ()
    culprits: Culprits = field(default_factory=Culprits)
    layer: str | None = None

    def to_json(self) -> dict[str, JSON]:
        first = self.scope[0]
        return {
            "id": self.id,
            "scenario": self.scenario,
            "kind": self.kind,
            "subtype": self.subtype,
            "accept_subtypes": list(self.accept_subtypes),
            "level": self.level,
            "traffic": self.traffic,
            **first.to_json(),
            "scope": [scope.to_json() for scope in self.scope],
            "start": _iso(self.start_ms),
            "end": None if self.end_ms is None else _iso(self.end_ms),
            "entities": self.culprits.to_json(),
            "cause": self.cause,
            "accept_causes": list(self.accept_causes),
            "layer": self.layer,
            "tell": self.tell,
        }


@dataclass(frozen=True, slots=True)
class Benign:
    """Something that may tempt a detector and must not be alarmed. why: one sentence."""

    id: str
    scenario: str
    scope: Scope
    start_ms: int
    end_ms: int | None
    why: str

    def to_json(self) -> dict[str, JSON]:
        return {
            "id": self.id,
            "scenario": self.scenario,
            **self.scope.to_json(),
            "start": _iso(self.start_ms),
            "end": None if self.end_ms is None else _iso(self.end_ms),
            "why": self.why,
        }


def document(
    world: World, labels: Sequence[Incident | Benign], requests: Mapping[str, int], lines: Mapping[str, JSON]
) -> dict[str, JSON]:
    """labels.json. requests: calls of each API, whether their lines were delivered or not. lines: what was written."""
    settings = world.settings
    incidents = sorted((one for one in labels if isinstance(one, Incident)), key=lambda one: (one.start_ms, one.id))
    benign = sorted((one for one in labels if isinstance(one, Benign)), key=lambda one: (one.start_ms, one.id))
    apis: list[JSON] = [
        {
            "api_id": api.id,
            "account": world.account,
            "region": world.region,
            "stage": api.stage,
            "kind": api.kind,
            "name": api.name,
            "rate_rps": round(api.rate_rps, 6),
            "requests": requests.get(api.id, 0),
        }
        for api in world.apis
    ]
    return {
        "schema_version": VERSION,
        "seed": settings.seed,
        "settings": {
            "days": settings.days,
            "apis": settings.apis,
            "rate_rps": settings.rate_rps,
            "scenarios": list(settings.scenarios) if settings.plant else ["none"],
            "ongoing": settings.ongoing,
        },
        "start": _iso(world.start_ms),
        "end": _iso(world.end_ms),
        "lines": dict(lines),
        "apis": apis,
        "incidents": [one.to_json() for one in incidents],
        "benign": [one.to_json() for one in benign],
    }


def _iso(at_ms: int) -> str:
    return iso(datetime.fromtimestamp(at_ms / 1000, UTC))
