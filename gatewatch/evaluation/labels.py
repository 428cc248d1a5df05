"""What is true in a world: incidents, benign windows, APIs and the length of the record (`labels.json`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gatewatch.errors import UsageError
from gatewatch.evaluation.people import People, read_people
from gatewatch.evaluation.reading import Node

SCHEMA_VERSION = 1
_ADVICE = "give the labels.json that `gatewatch simulate` writes"
_LEVELS = ("blatant", "moderate", "subtle")
WEEK_S = 604_800.0


@dataclass(frozen=True, slots=True)
class Place:
    """stage or route None: all of them, or not said."""

    api: str
    stage: str | None = None
    route: str | None = None


@dataclass(frozen=True, slots=True)
class Incident:
    """end None: still going on at the end of the record. subtypes, causes: all that are right, the label's own first.

    scope: every place it touches, never empty; place: where it is.
    """

    id: str
    scenario: str
    kind: str
    subtypes: tuple[str, ...]
    level: str
    traffic: str
    place: Place
    scope: tuple[Place, ...]
    start: float
    end: float | None
    causes: tuple[str, ...] = ()
    layer: str | None = None
    people: People = field(default_factory=People)


@dataclass(frozen=True, slots=True)
class Benign:
    """A temptation that must not be alarmed."""

    id: str
    scenario: str
    place: Place
    start: float
    end: float | None


@dataclass(frozen=True, slots=True)
class Labels:
    """[start, end) is the record. apis: ids of all APIs in it, incidents or not."""

    start: float
    end: float
    apis: tuple[str, ...]
    incidents: tuple[Incident, ...] = ()
    benign: tuple[Benign, ...] = ()

    @property
    def api_weeks(self) -> float:
        return len(self.apis) * (self.end - self.start) / WEEK_S


def read_labels(document: Any, name: str) -> Labels:
    """The labels of a parsed `labels.json`; UsageError names the place that is wrong."""
    root = Node(document, name, _ADVICE)
    version = root.get("schema_version")
    if version != SCHEMA_VERSION:
        raise root.wrong("schema_version", f"is {version!r}, this program reads {SCHEMA_VERSION}")
    start, end = root.moment("start"), root.moment("end")
    if end <= start:
        raise root.wrong("end", "is not after start")
    apis = tuple(dict.fromkeys(node.text("api_id") for node in root.children("apis", needed=True)))
    if not apis:
        raise root.wrong("apis", "lists no API")
    incidents = tuple(_incident(node) for node in root.children("incidents", needed=True))
    _unique([one.id for one in incidents], name)
    return Labels(start, end, apis, incidents, tuple(_benign(node) for node in root.children("benign")))


def _incident(node: Node) -> Incident:
    place = _place(node)
    scope = tuple(_place(row) for row in node.children("scope"))
    start, end = _window(node)
    level = node.optional_text("level") or "moderate"
    if level not in _LEVELS:
        raise node.wrong("level", f"{level[:40]!r} is none of {', '.join(_LEVELS)}")
    cause = node.optional_text("cause")
    return Incident(
        id=node.text("id"),
        scenario=node.optional_text("scenario") or "",
        kind=node.text("kind"),
        subtypes=tuple(dict.fromkeys((node.text("subtype"), *node.texts("accept_subtypes")))),
        level=level,
        traffic=node.optional_text("traffic") or "",
        place=place,
        scope=scope or (place,),
        start=start,
        end=end,
        causes=tuple(dict.fromkeys((*([cause] if cause else ()), *node.texts("accept_causes")))),
        layer=node.optional_text("layer"),
        people=read_people(node.child("entities")),
    )


def _benign(node: Node) -> Benign:
    start, end = _window(node)
    return Benign(node.text("id"), node.optional_text("scenario") or "", _place(node), start, end)


def _place(node: Node) -> Place:
    return Place(node.text("api_id"), node.optional_text("stage"), node.optional_text("route"))


def _window(node: Node) -> tuple[float, float | None]:
    start, end = node.moment("start"), node.optional_moment("end")
    if end is not None and end < start:
        raise node.wrong("end", "is before start")
    return start, end


def _unique(ids: list[str], name: str) -> None:
    seen: Mapping[str, int] = {one: ids.count(one) for one in ids} if len(set(ids)) < len(ids) else {}
    for one, count in seen.items():
        if count > 1:
            raise UsageError(f"{name}: {count} incidents have the id {one[:40]!r}; {_ADVICE}")
